//! Quantiles of recent latencies, in constant memory.
//!
//! Bins grow by a tenth from 0.1 ms, so that a quantile is within 5 % of the true one. Two windows of a minute are
//! kept: what is older than two minutes no longer counts.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The upper edge of the first bin, in milliseconds.
const FIRST_EDGE_MS: f64 = 0.1;
/// How much wider each bin is than the one before.
const GROWTH: f64 = 1.1;
/// The last bin holds everything above 0.1 ms · 1.1¹⁵⁹, which is six minutes.
const BINS: usize = 160;
/// How long one window takes in samples.
const WINDOW: Duration = Duration::from_secs(60);

/// Recent latencies; adding is a short lock.
#[derive(Debug)]
pub struct LatencySketch(Mutex<Windows>);

#[derive(Debug)]
struct Windows {
    current: [u64; BINS],
    previous: [u64; BINS],
    current_since: Instant,
}

impl Default for LatencySketch {
    fn default() -> Self {
        let windows = Windows { current: [0; BINS], previous: [0; BINS], current_since: Instant::now() };
        Self(Mutex::new(windows))
    }
}

impl LatencySketch {
    /// Adds one sample.
    pub fn add(&self, latency: Duration) {
        self.add_at(Instant::now(), latency);
    }

    /// Returns the quantile `q` (0 to 1) of the last one to two minutes in milliseconds; none without samples.
    #[must_use]
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        self.quantile_ms_at(Instant::now(), q)
    }

    fn add_at(&self, now: Instant, latency: Duration) {
        let ms = latency.as_secs_f64() * 1000.0;
        let bin = if ms <= FIRST_EDGE_MS { 0.0 } else { (ms / FIRST_EDGE_MS).log(GROWTH).ceil() };
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.advance(now);
        windows.current[(bin as usize).min(BINS - 1)] += 1;
    }

    fn quantile_ms_at(&self, now: Instant, q: f64) -> Option<f64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.advance(now);
        let count: u64 = windows.current.iter().chain(&windows.previous).sum();
        let rank = ((count as f64 * q).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for bin in 0..BINS {
            seen += windows.current[bin] + windows.previous[bin];
            if seen >= rank {
                // The middle of the bin, on the logarithmic scale.
                return Some(FIRST_EDGE_MS * GROWTH.powf(bin as f64 - 0.5));
            }
        }
        None
    }
}

impl Windows {
    fn advance(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.current_since);
        if age < WINDOW {
            return;
        }
        self.previous = if age < 2 * WINDOW { self.current } else { [0; BINS] };
        self.current = [0; BINS];
        self.current_since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_five_percent() {
        let sketch = LatencySketch::default();
        for ms in 1..=1000 {
            sketch.add(Duration::from_millis(ms));
        }
        for (q, truth) in [(0.5, 500.0), (0.99, 990.0)] {
            let found = sketch.quantile_ms(q).expect("samples");
            assert!((found / truth - 1.0).abs() < 0.06, "{q}: {found}");
        }
    }

    #[test]
    fn old_samples_are_forgotten() {
        let sketch = LatencySketch::default();
        let start = Instant::now();
        sketch.add_at(start, Duration::from_millis(10));
        assert!(sketch.quantile_ms_at(start + Duration::from_secs(90), 0.5).is_some());
        assert!(sketch.quantile_ms_at(start + Duration::from_secs(300), 0.5).is_none());
    }
}
