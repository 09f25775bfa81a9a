/// The part of a bcrypt hash after its cost: 22 characters of salt and 31 of hash that no password gives.
const NO_PASSWORD: &str = ".....................................................";

/// A hash that no password matches and that takes as long to check as one of `cost`: an unknown name must not be told
/// from a wrong password by the time the answer takes.
pub(super) fn nobody(cost: u32) -> String {
    // bcrypt knows no lower cost; a file without users has 0.
    format!("$2b${:02}${NO_PASSWORD}", cost.max(4))
}

#[cfg(test)]
mod tests {
    use bcrypt::HashParts;

    use super::*;

    #[test]
    fn nobody_costs_what_somebody_does() {
        let parts: HashParts = nobody(5).parse().unwrap();
        assert_eq!(parts.get_cost(), 5);
        assert!(!bcrypt::verify("", &nobody(0)).unwrap());
    }
}
