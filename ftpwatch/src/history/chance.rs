//! How likely a pattern is where there is none.

/// The chance that none of `group` endpoints drawn from `all` is a good one, where `failed` of all are not.
pub fn of_none_of(group: u64, failed: u64, all: u64) -> f64 {
    let mut chance = 1.0;
    for drawn in 0..group.min(failed) {
        chance *= ratio(failed - drawn, all - drawn);
        if chance < 1e-12 {
            break;
        }
    }
    chance
}

/// The chance that of endpoints on `ports` ports, `connected` and `failed`, those that failed are all on ports that lie
/// together, at an end or in the middle, or those that connected are, where ports have nothing to do with it.
pub fn of_falling_apart(connected: u64, failed: u64, ports: u64) -> f64 {
    // Which endpoints fail: each choice of so many out of all is as likely as any.
    let mut choices = 1.0;
    for i in 0..connected.min(failed) {
        choices *= ratio(connected + failed - i, i + 1);
        if choices > 1e15 {
            break;
        }
    }
    ratio(ports * (ports + 1), 1) / choices
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a chance need not be exact beyond fifteen digits"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_near(chance: f64, expected: f64) {
        assert!((chance / expected - 1.0).abs() < 1e-9, "{chance}");
    }

    #[test]
    fn drawing_without_a_good_one() {
        assert_near(of_none_of(1, 1, 2), 0.5);
        assert_near(of_none_of(2, 2, 4), 1.0 / 6.0);
        assert_near(of_none_of(2, 4, 4), 1.0);
        assert_near(of_none_of(0, 3, 9), 1.0);
        assert!(of_none_of(1_000_000, 1_000_000, 2_000_000) < 1e-11);
    }

    #[test]
    fn falling_apart() {
        // Of six choices, twelve runs of ports.
        assert_near(of_falling_apart(2, 2, 3), 2.0);
        assert_near(of_falling_apart(10, 10, 16), 272.0 / 184_756.0);
        assert_near(of_falling_apart(3, 100, 50), 2_550.0 / 176_851.0);
        assert!(of_falling_apart(0, 7, 7) >= 1.0);
        assert!(of_falling_apart(30_000_000, 30_000_000, 60_000) < 1e-5);
    }
}
