//! Any text is a quantity or an error; what is shown of one reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeferry::cluster::Quantity;

fuzz_target!(|text: &str| {
    if let Ok(quantity) = Quantity::parse(text) {
        let (value, milli) = (quantity.value(), quantity.milli_value());
        assert!(value.unsigned_abs() <= milli.unsigned_abs() || milli == i64::MAX || milli == i64::MIN);
        let shown = quantity.to_string();
        // Amounts at the cap may lose what no real cluster has.
        if milli != i64::MAX && milli != i64::MIN {
            assert_eq!(Quantity::parse(&shown), Ok(quantity), "{text} is shown as {shown}");
        }
    }
});
