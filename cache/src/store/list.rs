//! Doubly linked lists over the slots of a shard: what leaves early (a purge, a newer answer) leaves its queue at once.

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// The neighbours of a slot in its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub previous: u32,
    pub next: u32,
}

impl Link {
    pub const LOOSE: Link = Link {
        previous: NONE,
        next: NONE,
    };
}

/// Something whose links can be reached by number.
pub(super) trait Links {
    fn link(&mut self, at: u32) -> Option<&mut Link>;
}

/// A queue: in at the back, out at the front.
#[derive(Debug)]
pub(super) struct List {
    front: u32,
    back: u32,
}

impl List {
    pub const fn new() -> List {
        List {
            front: NONE,
            back: NONE,
        }
    }

    pub fn front(&self) -> Option<u32> {
        (self.front != NONE).then_some(self.front)
    }

    pub fn push_back(&mut self, links: &mut impl Links, at: u32) {
        let previous = self.back;
        if let Some(link) = links.link(at) {
            *link = Link {
                previous,
                next: NONE,
            };
        }
        match links.link(previous) {
            Some(link) => link.next = at,
            None => self.front = at,
        }
        self.back = at;
    }

    pub fn unlink(&mut self, links: &mut impl Links, at: u32) {
        let Some(link) = links.link(at) else { return };
        let Link { previous, next } = std::mem::replace(link, Link::LOOSE);
        match links.link(previous) {
            Some(link) => link.next = next,
            None => self.front = next,
        }
        match links.link(next) {
            Some(link) => link.previous = previous,
            None => self.back = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slots(Vec<Link>);

    impl Links for Slots {
        fn link(&mut self, at: u32) -> Option<&mut Link> {
            self.0.get_mut(at as usize)
        }
    }

    fn drain(list: &mut List, slots: &mut Slots) -> Vec<u32> {
        let mut order = Vec::new();
        while let Some(at) = list.front() {
            list.unlink(slots, at);
            order.push(at);
        }
        order
    }

    #[test]
    fn first_in_is_first_out_whatever_leaves_between() {
        for gone in 0..4 {
            let mut slots = Slots(vec![Link::LOOSE; 4]);
            let mut list = List::new();
            (0..4).for_each(|at| list.push_back(&mut slots, at));
            list.unlink(&mut slots, gone);
            let expected: Vec<u32> = (0..4).filter(|&at| at != gone).collect();
            assert_eq!(drain(&mut list, &mut slots), expected);
        }
    }

    #[test]
    fn an_emptied_list_starts_anew() {
        let mut slots = Slots(vec![Link::LOOSE; 2]);
        let mut list = List::new();
        list.push_back(&mut slots, 0);
        list.unlink(&mut slots, 0);
        list.push_back(&mut slots, 1);
        list.push_back(&mut slots, 0);
        assert_eq!(drain(&mut list, &mut slots), [1, 0]);
    }
}
