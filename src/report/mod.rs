//! How a run is SHOWN: tables, CSV and plots, made from the trace alone.
