//! What each key of the live window does: one table for what happens and for what is shown.

/// What a key asks of whoever runs the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A recording begins, or ends.
    Record,
    /// The next profile of the front end.
    NextProfile,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Holds the picture, or lets it go.
    Hold,
    /// Left and right change places in the picture.
    Mirror,
    /// Somebody else does it.
    Ask(Request),
    /// Keeps the picture in a file.
    Still,
    /// Shows the numbers, or hides them.
    Numbers,
    /// Closes the window.
    Quit,
}

/// Keys with what they do, and the word for it.
const KEYS: [(&str, &str, Action); 7] = [
    ("space", "hold", Action::Hold),
    ("m", "mirror", Action::Mirror),
    ("r", "record", Action::Ask(Request::Record)),
    ("p", "profile", Action::Ask(Request::NextProfile)),
    ("s", "still", Action::Still),
    ("h", "numbers", Action::Numbers),
    ("q", "quit", Action::Quit),
];

/// What the key of this name does: a small letter, or `space`.
#[cfg(any(feature = "window", test))]
pub(super) fn action(key: &str) -> Option<Action> {
    KEYS.iter().find(|(name, ..)| *name == key).map(|(.., action)| *action)
}

/// The keys for those who look.
pub(super) fn legend() -> String {
    KEYS.map(|(key, word, _)| format!("{key} {word}")).join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_does_one_thing_and_is_shown() {
        let asked = ["r", "p"].map(action);
        assert_eq!(asked, [Request::Record, Request::NextProfile].map(|request| Some(Action::Ask(request))));
        assert_eq!([action("space"), action("q")], [Some(Action::Hold), Some(Action::Quit)]);
        assert_eq!([action("x"), action("R"), action("")], [None; 3]);
        for (key, word, act) in KEYS {
            assert_eq!(
                (action(key), KEYS.iter().filter(|(.., other)| *other == act).count()),
                (Some(act), 1)
            );
            assert!(legend().contains(&format!("{key} {word}")));
        }
    }
}
