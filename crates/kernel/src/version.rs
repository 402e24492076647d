//! Which kernel runs, for what it cannot be asked: whether a call means more than it did.

/// The first two numbers of its release (uname(2)), such as 6 and 12; zeros if it has none.
#[must_use]
pub fn kernel_version() -> (u32, u32) {
    numbers(&rustix::system::uname().release().to_string_lossy())
}

fn numbers(release: &str) -> (u32, u32) {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(numbers("6.18.44-fc-v657"), (6, 18));
        assert_eq!(numbers("6.1-rc1"), (6, 1));
        assert_eq!(numbers("x"), (0, 0));
    }
}
