//! What is told of many measurements of the same: minimum, median, maximum; of two kinds, what one costs over the other.

/// Measurements of one thing, in the order of the rounds.
#[derive(Clone, Debug, Default)]
pub struct Series(Vec<f64>);

impl Series {
    /// One more.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The smallest.
    pub fn minimum(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The largest.
    pub fn maximum(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    /// The one below which is this share of all.
    pub fn quantile(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        let at = (sorted.len().saturating_sub(1)) as f64 * share;
        sorted.get(at.round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// Round by round, what this is over `other`.
    pub fn over(&self, other: &Self) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(value, other)| value - other).collect())
    }

    /// Round by round, how many times `other` this is.
    pub fn ratio(&self, other: &Self) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(value, other)| value / other).collect())
    }
}

/// A table of series, each compared with one of them.
#[derive(Debug)]
pub struct Table {
    rows: Vec<(String, usize, Series)>,
    unit: &'static str,
}

impl Table {
    /// Measured in `unit`.
    pub const fn new(unit: &'static str) -> Self {
        Self {
            rows: Vec::new(),
            unit,
        }
    }

    /// A row, to be compared with row number `base`. Returns its number.
    pub fn row(&mut self, name: impl Into<String>, base: usize) -> usize {
        self.rows.push((name.into(), base, Series::default()));
        self.rows.len() - 1
    }

    /// A measurement of row number `row`.
    pub fn push(&mut self, row: usize, value: f64) {
        self.rows[row].2.push(value);
    }

    /// Prints it. The difference is the median of the differences within each round, with the quartiles beside it.
    pub fn print(&self) {
        println!(
            "| {:44} | min | median | max | over | {} more: min − min | median (quartiles) | ratio (quartiles) |",
            "", self.unit
        );
        println!("|---|---|---|---|---|---|---|---|");
        for (name, base, series) in &self.rows {
            let (base_name, _, other) = &self.rows[*base];
            let (over, ratio) = (series.over(other), series.ratio(other));
            println!(
                "| {name:44} | {:.1} | {:.1} | {:.1} | {base_name} | {:+.1} | {:+.1} ({:+.1} … {:+.1}) | {:.3} ({:.3} … {:.3}) |",
                series.minimum(),
                series.median(),
                series.maximum(),
                series.minimum() - other.minimum(),
                over.median(),
                over.quantile(0.25),
                over.quantile(0.75),
                ratio.median(),
                ratio.quantile(0.25),
                ratio.quantile(0.75),
            );
        }
    }
}

/// Numbers by chance, for the order of things (xorshift; Marsaglia 2003).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Another order in every run.
    pub fn new() -> Self {
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(1, |since| since.as_nanos() as u64 | 1))
    }

    /// The numbers up to `count`, in an order by chance: a fixed one is kind to whoever comes first.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            order.swap(at, (self.0 % (at as u64 + 1)) as usize);
        }
        order
    }
}
