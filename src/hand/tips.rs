//! Which vertices of MANO's mesh are its finger tips: the field has two answers.

use super::joints::FINGERS;

/// The vertices that stand for the finger tips of MANO's mesh. Joints of one choice are up to some
/// millimetres from those of the other, so errors are comparable only within one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TipVertices {
    /// As HaMeR and Dyn-HaMR choose them.
    #[default]
    Hamer,
    /// As manopth chooses them, with which HaPTIC's demo writes its joints.
    Manopth,
}

impl TipVertices {
    /// Tips of thumb, index, middle, ring and little finger.
    pub(super) fn of_mano(self) -> [usize; FINGERS] {
        match self {
            Self::Hamer => [744, 320, 443, 554, 671],
            Self::Manopth => [745, 317, 444, 556, 673],
        }
    }
}
