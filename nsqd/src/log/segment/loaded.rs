//! A segment in memory: how readers walk its messages.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use protocol::MessageId;

use super::{
    format::{Header, SEGMENT_HEADER_BYTES},
    mapping::Mapping,
    recovered::{Damaged, Recovered},
    region::Region,
    run::{Budget, Frame, Next, Run},
    segment::Segment,
};

/// The mapping of a segment, and what was found in it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) region: Region,
    base: u64,
    /// Some message has a deadline or is damaged, so that runs must be looked for slot by slot.
    irregular: AtomicBool,
    damaged: Damaged,
    /// Of a sparse segment: seq less the base, and index, of each whole message; rising.
    places: Option<Box<[(u32, u32)]>>,
}

impl Loaded {
    /// A segment that is being written.
    pub(super) fn begun(region: Region, base: u64) -> Self {
        let irregular = AtomicBool::new(false);
        Self { region, base, irregular, damaged: Damaged::default(), places: None }
    }

    /// A file that was walked.
    pub(super) fn found(region: Region, header: &Header, found: Recovered) -> Self {
        let irregular = AtomicBool::new(found.has_deferred || !found.damaged.is_empty());
        let places = header.is_sparse.then(|| found.places.into_boxed_slice());
        Self { region, base: header.base, irregular, damaged: found.damaged, places }
    }

    /// A file that has gone.
    pub(super) fn nothing(base: u64) -> io::Result<Self> {
        let mapping = Mapping::anonymous(SEGMENT_HEADER_BYTES)?;
        let region = Region::empty(mapping);
        let (irregular, places) = (AtomicBool::new(true), Some(Box::default()));
        Ok(Self { region, base, irregular, damaged: Damaged::default(), places })
    }

    pub(super) fn is_irregular(&self) -> bool {
        self.irregular.load(Ordering::Relaxed)
    }

    pub(super) fn set_irregular(&self) {
        self.irregular.store(true, Ordering::Relaxed);
    }

    /// What follows at `seq`, which is not below the base.
    #[inline]
    pub(super) fn next(&self, segment: &Arc<Segment>, seq: u64, budget: Budget) -> Next {
        if self.places.is_some() {
            return self.next_sparse(segment, seq);
        }
        let count = self.region.published().count;
        let Some(index) = u32::try_from(seq - self.base).ok().filter(|index| *index < count) else {
            return Next::End;
        };
        let mut last = count.min(index.saturating_add(budget.messages.max(1)));
        if self.is_irregular() {
            match self.regular_until(segment, index, last) {
                Ok(until) => last = until,
                Err(next) => return next,
            }
        }
        let start = self.region.slot(index).offset();
        let limit = start.saturating_add(budget.bytes);
        let mut end = self.frame_end(last - 1);
        if limit < end {
            last = self.last_within(index, last, limit);
            end = self.frame_end(last - 1);
        }
        Next::Run(Run { segment: Arc::clone(segment), first: seq, count: last - index, start, end })
    }

    #[cold]
    fn next_sparse(&self, segment: &Arc<Segment>, seq: u64) -> Next {
        let places = self.places.as_deref().unwrap_or_default();
        let at = places.partition_point(|(delta, _)| self.base + u64::from(*delta) < seq);
        let Some((delta, index)) = places.get(at) else {
            let left = segment.tail().saturating_sub(seq);
            return if left == 0 { Next::End } else { Next::Gone(left) };
        };
        match self.base + u64::from(*delta) - seq {
            0 => self.one(segment, seq, *index),
            gap => Next::Gone(gap),
        }
    }

    /// One message by itself.
    fn one(&self, segment: &Arc<Segment>, seq: u64, index: u32) -> Next {
        let slot = self.region.slot(index);
        let start = slot.offset();
        let end = self.frame_end(index);
        let run = Run { segment: Arc::clone(segment), first: seq, count: 1, start, end };
        if slot.is_deferred() {
            Next::Deferred { deadline_unix_ns: self.deadline(start), run }
        } else {
            Next::Run(run)
        }
    }

    /// First message in `index + 1..=last` behind which a run must end; or what is special at `index` itself.
    #[cold]
    fn regular_until(&self, segment: &Arc<Segment>, index: u32, last: u32) -> Result<u32, Next> {
        if let Some(damaged) = self.damaged.from(index) {
            return Err(Next::Damaged(damaged.min(last - index)));
        }
        if self.region.slot(index).is_deferred() {
            return Err(self.one(segment, self.base + u64::from(index), index));
        }
        let last = self.damaged.next(index).map_or(last, |damaged| damaged.min(last));
        Ok((index + 1..last).find(|at| self.region.slot(*at).is_deferred()).unwrap_or(last))
    }

    /// Largest end of a run from `index` of at most the bytes up to `limit`; at least one message.
    fn last_within(&self, index: u32, last: u32, limit: u32) -> u32 {
        // Offsets rise with the index, and the start of a frame is the end of the one before, in a regular run.
        let (mut fits, mut beyond) = (index + 1, last);
        while fits + 1 < beyond {
            let middle = fits.midpoint(beyond);
            if self.region.slot(middle).offset() <= limit {
                fits = middle;
            } else {
                beyond = middle;
            }
        }
        fits
    }

    /// Offset behind the frame of a published message that is not damaged.
    #[inline]
    fn frame_end(&self, index: u32) -> u32 {
        let start = self.region.slot(index).offset();
        let size = *self.region.bytes(start, start + 4).first_chunk().expect("four bytes were asked for");
        start + 4 + u32::from_be_bytes(size)
    }

    fn deadline(&self, frame_start: u32) -> u64 {
        let bytes = self.region.bytes(frame_start - 8, frame_start);
        u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes were asked for"))
    }

    /// The seqs of a sparse segment, rising.
    pub(super) fn seqs(&self) -> impl Iterator<Item = u64> {
        let places = self.places.as_deref().unwrap_or_default();
        places.iter().map(|(delta, _)| self.base + u64::from(*delta))
    }

    /// Indices of the whole messages with seqs in `from..to`.
    fn whole_between(&self, from: u64, to: u64) -> impl Iterator<Item = u32> {
        let delta = |seq: u64| u32::try_from(seq.saturating_sub(self.base)).unwrap_or(u32::MAX);
        let (from, to) = (delta(from), delta(to));
        let places = self.places.as_deref().unwrap_or_default();
        let sparse =
            places.iter().filter(move |(delta, _)| (from..to).contains(delta)).map(|(_, index)| *index);
        let end = if self.places.is_some() { from } else { to.min(self.region.published().count) };
        sparse.chain((from..end).filter(|index| self.damaged.from(*index).is_none()))
    }

    /// Counts the messages with seqs in `from..to` whose deadline is after `now_unix_ns`.
    pub(super) fn deferred_between(&self, from: u64, to: u64, now_unix_ns: u64) -> u64 {
        if !self.is_irregular() {
            return 0;
        }
        let waits = |index: &u32| {
            let slot = self.region.slot(*index);
            slot.is_deferred() && now_unix_ns < self.deadline(slot.offset())
        };
        self.whole_between(from, to).filter(waits).count() as u64
    }

    /// The seq of the message with this id. Ids rise with the index.
    pub(super) fn find(&self, id: MessageId) -> Option<u64> {
        if let Some(places) = &self.places {
            let at = places.binary_search_by(|(_, index)| self.id_at(*index).cmp(&id)).ok()?;
            return Some(self.base + u64::from(places[at].0));
        }
        let count = self.region.published().count;
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            // A damaged message has no id; ask the next one that has.
            let asked = middle + self.damaged.from(middle).unwrap_or(0);
            if high <= asked {
                high = middle;
                continue;
            }
            match self.id_at(asked) {
                found if found == id => return Some(self.base + u64::from(asked)),
                found if found < id => low = asked + 1,
                _ => high = middle,
            }
        }
        None
    }

    fn id_at(&self, index: u32) -> MessageId {
        let start = self.region.slot(index).offset();
        let frame = self.region.bytes(start, self.frame_end(index));
        Frame::split(frame).expect("a published frame is whole").0.id()
    }

    /// Seq and time of the first message that was published at `unix_ns` or after it.
    pub(super) fn first_at(&self, unix_ns: i64) -> Option<(u64, i64)> {
        let time = |index: u32| {
            let start = self.region.slot(index).offset();
            Frame::split(self.region.bytes(start, self.frame_end(index)))
                .map(|(frame, _)| frame.timestamp_ns())
        };
        let is_late =
            |(seq, index): (u64, u32)| Some((seq, time(index)?)).filter(|(_, time)| unix_ns <= *time);
        if let Some(places) = &self.places {
            return places.iter().find_map(|(delta, index)| is_late((self.base + u64::from(*delta), *index)));
        }
        self.whole_between(self.base, u64::MAX)
            .find_map(|index| is_late((self.base + u64::from(index), index)))
    }

    /// Id of the last message of a segment without damage; 0 if there is none.
    pub(super) fn last_id(&self) -> u64 {
        let last = self.region.published().count.checked_sub(1);
        last.and_then(|last| self.id_at(last).to_u64()).unwrap_or(0)
    }

    /// Offset of the message at `seq`, or the start of the frames where there is none.
    pub(super) fn offset_of(&self, seq: u64) -> u32 {
        let delta = u32::try_from(seq.saturating_sub(self.base)).unwrap_or(u32::MAX);
        let index = match &self.places {
            Some(places) => {
                places.get(places.partition_point(|(place, _)| *place < delta)).map(|place| place.1)
            }
            None => Some(delta).filter(|index| *index < self.region.published().count),
        };
        index.map_or(0, |index| self.region.slot(index).offset())
    }
}
