/// A part of an ordered listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub items: Vec<T>,
    /// Whether entries follow the last of them.
    pub more: bool,
}

impl<T> Page<T> {
    /// The first `limit` of `items`, which are in order and are all that is left.
    pub fn cut(mut items: Vec<T>, limit: usize) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more }
    }
}
