//! Medians, ranks and how a number is written. Knows nothing of what is measured.

/// The middle one, or the mean of the two in the middle; none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// The smallest value that this share of all does not exceed (nearest rank); none of nothing.
pub fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// With three digits that count, without an exponent.
pub fn written(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.0995 => format!("{value:.2}"),
        size if size >= 0.0005 => format!("{value:.3}"),
        _ => "0".to_owned(),
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_found() {
        let table: [(&[f64], Option<f64>); 5] = [
            (&[], None),
            (&[3.0], Some(3.0)),
            (&[9.0, 1.0, 5.0], Some(5.0)),
            (&[4.0, 1.0, 3.0, 2.0], Some(2.5)),
            (&[1.0, 1.0, 1.0, 100.0, 100.0], Some(1.0)),
        ];
        for (values, expected) in table {
            assert_eq!(median(values), expected, "{values:?}");
        }
    }

    #[test]
    fn ranks_are_the_nearest() {
        let hundred: Vec<f64> = (1..=100_u8).rev().map(f64::from).collect();
        let table: [(&[f64], usize, Option<f64>); 6] = [
            (&hundred, 99, Some(99.0)),
            (&hundred, 50, Some(50.0)),
            (&hundred, 100, Some(100.0)),
            (&[5.0, 7.0], 99, Some(7.0)),
            (&[5.0, 7.0], 0, Some(5.0)),
            (&[], 99, None),
        ];
        for (values, percent, expected) in table {
            assert_eq!(percentile(values, percent), expected, "{percent} of {}", values.len());
        }
    }

    #[test]
    fn three_digits_count() {
        let table =
            [(1234.56, "1235"), (99.96, "100"), (12.345, "12.3"), (1.2345, "1.23"), (0.012_345, "0.012"), (0.0, "0")];
        for (value, expected) in table {
            assert_eq!(written(value), expected);
        }
    }
}
