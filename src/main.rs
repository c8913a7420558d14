//! smsgate
fn main() {}
