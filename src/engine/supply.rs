//! A worker's tool, and how to make another when the worker has failed with it.

/// Makes another of the same kind, or says in a sentence why not.
pub type Maker<T> = Box<dyn FnMut() -> Result<T, String> + Send>;

/// What a worker begins with, and where a new one comes from: after a panic nobody knows what state the old one
/// is in, and one that hangs never comes back.
pub struct Supply<T> {
    first: Option<T>,
    maker: Option<Maker<T>>,
}

impl<T> Supply<T> {
    /// Begins with `first`; another comes from `maker`.
    pub fn renewable(first: T, maker: impl FnMut() -> Result<T, String> + Send + 'static) -> Self {
        Self { first: Some(first), maker: Some(Box::new(maker)) }
    }

    /// The first one, then those that the maker makes; `None` where there is no other.
    pub(super) fn next(&mut self) -> Option<Result<T, String>> {
        match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => self.maker.as_mut().map(|maker| maker()),
        }
    }

    /// Whether there is another.
    pub(super) fn has_next(&self) -> bool {
        self.first.is_some() || self.maker.is_some()
    }
}

/// Begins with it; there is no other.
impl<T> From<T> for Supply<T> {
    fn from(first: T) -> Self {
        Self { first: Some(first), maker: None }
    }
}
