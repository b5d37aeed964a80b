//! Several measurements of one thing.

/// A median, and the lowest and highest.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub middle: f64,
    low: f64,
    high: f64,
}

impl Spread {
    /// Of any values; none of none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let middle = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
        Some(Self { middle, low, high })
    }

    /// `1.05 (0.98–1.10)`
    pub fn text(&self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$}–{:.digits$})", self.middle, self.low, self.high)
    }
}
