use std::ops::Range;

/// What a `Range` header (RFC 9110, 14.2) asks for of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// All of it: 200. Also for another unit and for several ranges at once, both of which a server may ignore.
    Whole,
    /// A part: 206. Within the blob and never empty.
    Part(Range<u64>),
    /// Nothing that there is: 416.
    Unsatisfiable,
}

/// Reads a `Range` header against a blob of `size` bytes.
pub(super) fn select(header: Option<&str>, size: u64) -> Selection {
    let Some(set) = header.and_then(|header| header.strip_prefix("bytes=")) else { return Selection::Whole };
    if set.contains(',') {
        return Selection::Whole;
    }
    match part(set.trim(), size) {
        Some(part) if part.start < part.end => Selection::Part(part),
        _ => Selection::Unsatisfiable,
    }
}

fn part(spec: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    match (first, last) {
        ("", length) => Some(size.saturating_sub(number(length)?)..size),
        (first, "") => Some(number(first)?..size),
        // A last byte past the end means the end.
        (first, last) => Some(number(first)?..number(last)?.saturating_add(1).min(size)),
    }
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What does not fit lies past the end of any blob.
        return Some(text.parse().unwrap_or(u64::MAX));
    }
    None
}

/// Where a chunk says that it lies in its upload: `Content-Range: 0-999` (OCI distribution specification).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkRange {
    /// Offset of its first byte.
    pub(super) start: u64,
    /// Its length in bytes.
    pub(super) length: u64,
}

impl ChunkRange {
    /// Also `bytes 0-999/*`, the form of RFC 9110, which some clients send. `None` when it is malformed.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let range = header.strip_prefix("bytes ").unwrap_or(header);
        let range = range.split_once('/').map_or(range, |(range, _)| range);
        let (first, last) = range.trim().split_once('-')?;
        let (start, last) = (number(first)?, number(last)?);
        let length = last.checked_sub(start)?.checked_add(1)?;
        Some(Self { start, length })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, Selection::Whole)]
    #[case(Some("bytes=0-0"), Selection::Part(0..1))]
    #[case(Some("bytes=2-5"), Selection::Part(2..6))]
    #[case(Some("bytes=2-"), Selection::Part(2..10))]
    #[case(Some("bytes=-3"), Selection::Part(7..10))]
    #[case(Some("bytes=-30"), Selection::Part(0..10))]
    #[case(Some("bytes=9-99999999999999999999"), Selection::Part(9..10))]
    #[case(Some("bytes=10-"), Selection::Unsatisfiable)]
    #[case(Some("bytes=5-2"), Selection::Unsatisfiable)]
    #[case(Some("bytes=-0"), Selection::Unsatisfiable)]
    #[case(Some("bytes=-"), Selection::Unsatisfiable)]
    #[case(Some("bytes=+1-2"), Selection::Unsatisfiable)]
    #[case(Some("bytes=x"), Selection::Unsatisfiable)]
    #[case(Some("bytes=0-1,4-5"), Selection::Whole)]
    #[case(Some("lines=0-1"), Selection::Whole)]
    fn of_ten_bytes(#[case] header: Option<&str>, #[case] expected: Selection) {
        assert_eq!(select(header, 10), expected);
    }

    #[rstest]
    #[case("bytes=0-")]
    #[case("bytes=0-0")]
    #[case("bytes=-1")]
    fn an_empty_blob_has_no_part(#[case] header: &str) {
        assert_eq!(select(Some(header), 0), Selection::Unsatisfiable);
    }

    #[rstest]
    #[case("0-0", Some((0, 1)))]
    #[case("10-19", Some((10, 10)))]
    #[case("bytes 10-19/*", Some((10, 10)))]
    #[case("bytes 10-19/20", Some((10, 10)))]
    #[case("19-10", None)]
    #[case("10-", None)]
    #[case("-10", None)]
    #[case("0-18446744073709551615", None)]
    #[case("", None)]
    fn of_a_chunk(#[case] header: &str, #[case] expected: Option<(u64, u64)>) {
        let expected = expected.map(|(start, length)| ChunkRange { start, length });
        assert_eq!(ChunkRange::parse(header), expected);
    }

    proptest! {
        #[test]
        fn a_part_lies_within(spec in "[0-9]{0,21}-[0-9]{0,21}", size in any::<u64>()) {
            if let Selection::Part(part) = select(Some(&format!("bytes={spec}")), size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn never_panics(header in ".{0,40}", size in any::<u64>()) {
            let _ = select(Some(&header), size);
            let _ = ChunkRange::parse(&header);
        }
    }
}
