//! Performance data of monitoring plugins: `'label'=value[UOM];warn;crit;min;max` (Monitoring Plugins Development
//! Guidelines, 2.6), numbers with a point whatever the locale.

use std::fmt;

/// Where a value is well: at or above `warning`, and in no case below `critical`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    pub(super) warning: f64,
    pub(super) critical: f64,
}

/// What was measured, in the order told.
#[derive(Debug, Default)]
pub(super) struct Perfdata(Vec<String>);

impl Perfdata {
    /// A value between bounds. `unit` is one of the guidelines' units or empty.
    pub(super) fn gauge(&mut self, label: &str, value: f64, unit: &str, min: f64, max: f64) {
        self.0.push(format!("{}={value}{unit};;;{min};{max}", quoted(label)));
    }

    /// A value that should not fall under a floor. Bounds where there are any.
    pub(super) fn floored(&mut self, label: &str, value: f64, floor: Option<Floor>, bounds: Option<(f64, f64)>) {
        let mut item = format!("{}={value}", quoted(label));
        match floor {
            Some(Floor { warning, critical }) => item += &format!(";{warning}:;{critical}:"),
            None if bounds.is_some() => item += ";;",
            None => {}
        }
        if let Some((min, max)) = bounds {
            item += &format!(";{min};{max}");
        }
        self.0.push(item);
    }

    /// A count that only grows.
    pub(super) fn counter(&mut self, label: &str, value: f64) {
        self.0.push(format!("{}={value}c;;;0", quoted(label)));
    }
}

impl fmt::Display for Perfdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// A label in quotes where it needs them; the characters that no label may have are replaced.
fn quoted(label: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if label.chars().all(plain) {
        return label.to_owned();
    }
    let label: String = label.chars().map(|c| if c.is_control() || "'=|".contains(c) { '_' } else { c }).collect();
    format!("'{label}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_as_the_guidelines_say() {
        let mut perfdata = Perfdata::default();
        perfdata.gauge("time", 0.25, "s", 0.0, 10.0);
        let floor = Some(Floor { warning: -101.0, critical: -109.0 });
        perfdata.floored("00_signal", -71.0, floor, Some((-113.0, -51.0)));
        perfdata.floored("00_balance", 12.34, Some(Floor { warning: 5.5, critical: 1.0 }), None);
        perfdata.floored("01_balance", 3.0, None, None);
        perfdata.counter("00_sent", 1e15);
        let expected = "time=0.25s;;;0;10 00_signal=-71;-101:;-109:;-113;-51 00_balance=12.34;5.5:;1: 01_balance=3 \
                        00_sent=1000000000000000c;;;0";
        assert_eq!(perfdata.to_string(), expected);
    }

    #[test]
    fn labels_cannot_break_out() {
        for (label, expected) in
            [("roof-1_sent", "roof-1_sent"), ("roof east_sent", "'roof east_sent'"), ("a'b=c|d\n", "'a_b_c_d_'")]
        {
            assert_eq!(quoted(label), expected);
        }
    }
}
