//! The newest frames in the order of time, for one writer and any number of readers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::slot::{Heading, Slot, StoredFrame};
use crate::event::{FrameHands, Refinement};
use crate::frame::Timestamp;

/// A ring of slots. Memory is taken once.
pub(super) struct Ring {
    slots: Box<[Slot]>,
    /// Frames published so far; the last lies in slot `(published - 1) % slots`.
    published: AtomicU64,
    /// What only writers look at.
    index: Mutex<Index>,
}

/// Which slot holds which frame.
#[derive(Default)]
struct Index {
    /// Sequence number, number of publication and revision of every frame in the ring, oldest first.
    frames: VecDeque<(u64, Heading)>,
    published: u64,
}

/// Frames around a moment.
pub(super) struct Around {
    /// The newest frame at or before it.
    pub before: Option<StoredFrame>,
    /// The oldest frame after it.
    pub after: Option<StoredFrame>,
}

impl Ring {
    pub fn new(capacity: usize) -> Self {
        Self {
            slots: (0..capacity.max(2)).map(|_| Slot::empty()).collect(),
            published: AtomicU64::new(0),
            index: Mutex::default(),
        }
    }

    /// Adds the newest frame; false where it is not later than the one before, and is left out.
    pub fn push(&self, hands: &FrameHands) -> bool {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let later = |&(sequence, ref last): &(u64, Heading)| {
            hands.timestamp > last.timestamp && hands.sequence > sequence
        };
        if !index.frames.back().is_none_or(later) {
            return false;
        }
        let heading = Heading { number: index.published, timestamp: hands.timestamp, revision: 0 };
        if let Some(slot) = self.slot(heading.number) {
            slot.write(heading, hands);
        }
        index.published += 1;
        index.frames.push_back((hands.sequence, heading));
        if index.frames.len() > self.slots.len() {
            index.frames.pop_front();
        }
        self.published.store(index.published, Ordering::Release);
        true
    }

    /// Puts refined frames in the place of those that are still here; older ones are gone for good.
    pub fn replace(&self, refinement: &Refinement) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        for hands in &refinement.frames {
            let Ok(at) = index.frames.binary_search_by_key(&hands.sequence, |(sequence, _)| *sequence) else {
                continue;
            };
            let Some((_, heading)) = index.frames.get_mut(at) else { continue };
            if refinement.revision > heading.revision {
                heading.revision = refinement.revision;
                if let Some(slot) = self.slot(heading.number) {
                    slot.write(*heading, hands);
                }
            }
        }
    }

    /// The frames around a moment.
    pub fn around(&self, time: Timestamp) -> Around {
        let published = self.published.load(Ordering::Acquire);
        let mut low = published.saturating_sub(self.slots.len() as u64);
        let mut high = published;
        // Slots that were overwritten meanwhile count as too early: the ring only grows at its end.
        while low < high {
            let middle = low + (high - low) / 2;
            match self.heading(middle) {
                Some(heading) if heading.timestamp > time => high = middle,
                _ => low = middle + 1,
            }
        }
        Around { before: low.checked_sub(1).and_then(|number| self.frame(number)), after: self.frame(low) }
    }

    /// Up to `count` frames before the frame `number`, newest first.
    pub fn earlier(&self, number: u64, count: u64) -> impl Iterator<Item = StoredFrame> + '_ {
        (number.saturating_sub(count)..number).rev().map_while(|number| self.frame(number))
    }

    /// Capture time of the newest frame.
    pub fn newest(&self) -> Option<Timestamp> {
        let number = self.published.load(Ordering::Acquire).checked_sub(1)?;
        self.heading(number).map(|heading| heading.timestamp)
    }

    fn heading(&self, number: u64) -> Option<Heading> {
        self.slot(number)?.heading().filter(|heading| heading.number == number)
    }

    fn frame(&self, number: u64) -> Option<StoredFrame> {
        self.slot(number)?.frame().filter(|frame| frame.heading.number == number)
    }

    fn slot(&self, number: u64) -> Option<&Slot> {
        self.slots.get((number % self.slots.len() as u64) as usize)
    }
}
