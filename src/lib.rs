//! nodeferry.
