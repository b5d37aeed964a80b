//! Quantiles out of the steps of a histogram.

/// The time that this part of the requests took at most, straight lines drawn within a step.
pub(crate) fn quantile(steps: &[(f64, u64)], part: f64) -> Option<f64> {
    let all = steps.last().map(|(_, count)| *count).filter(|all| *all > 0)?;
    let wanted = part * all as f64;
    let (mut from, mut below) = (0.0, 0);
    for &(to, count) in steps {
        if count as f64 >= wanted && count > below {
            let within = (wanted - below as f64) / (count - below) as f64;
            return Some(if to.is_finite() { from + (to - from) * within } else { from });
        }
        (from, below) = (to, count);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_their_step() {
        let steps = [(0.1, 0), (0.2, 50), (0.4, 90), (f64::INFINITY, 100)];
        for (part, wanted) in [(0.5, 0.2), (0.25, 0.15), (0.9, 0.4), (0.7, 0.3), (0.99, 0.4)] {
            let seconds = quantile(&steps, part).unwrap();
            assert!((seconds - wanted).abs() < 1e-9, "{part}: {seconds}");
        }
        assert_eq!(quantile(&[(0.1, 0), (f64::INFINITY, 0)], 0.5), None);
    }
}
