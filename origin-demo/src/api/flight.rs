//! Cache-aside with single flight: of many who miss the same product at once, one asks the database and all get it.

use super::Refused;
use crate::{metrics, model::Product, store::Pool};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;

type Slot = Arc<OnceCell<Option<Arc<Product>>>>;

/// Products in memory for a while.
pub struct Cached {
    slots: Mutex<HashMap<u64, (Instant, Slot)>>,
    max: usize,
    fresh_for: Duration,
}

impl Cached {
    /// At most `max` products, each for at most `fresh_for`.
    pub fn new(max: usize, fresh_for: Duration) -> Self {
        Self {
            slots: Mutex::default(),
            max,
            fresh_for,
        }
    }

    /// The product, from memory or else from the store.
    pub async fn get(&self, id: u64, store: &Pool) -> Result<Option<Arc<Product>>, Refused> {
        let slot = self.slot(id, Instant::now());
        if let Some(product) = slot.get() {
            metrics::CACHE_HIT.inc();
            return Ok(product.clone());
        }
        let mut asked = false;
        let product = slot
            .get_or_try_init(|| {
                asked = true;
                async move {
                    store
                        .read(move |repository| repository.product(id))
                        .await
                        .map(|found| found.map(Arc::new))
                }
            })
            .await?
            .clone();
        if asked {
            metrics::CACHE_MISS.inc()
        } else {
            metrics::CACHE_SHARED.inc()
        }
        Ok(product)
    }

    /// It changed: who asks from now on gets the new one, even while an old question is still under way.
    pub fn forget(&self, id: u64) {
        if let Ok(mut slots) = self.slots.lock() {
            slots.remove(&id);
        }
    }

    fn slot(&self, id: u64, now: Instant) -> Slot {
        let Ok(mut slots) = self.slots.lock() else {
            return Slot::default();
        };
        if let Some((made, slot)) = slots.get(&id)
            && now.saturating_duration_since(*made) < self.fresh_for
        {
            return slot.clone();
        }
        if slots.len() >= self.max {
            let fresh_for = self.fresh_for;
            slots.retain(|_, (made, _)| now.saturating_duration_since(*made) < fresh_for);
            if slots.len() >= self.max {
                slots.clear();
            }
        }
        let slot = Slot::default();
        slots.insert(id, (now, slot.clone()));
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_ask_share_a_slot_until_it_is_forgotten_or_old() {
        let cached = Cached::new(2, Duration::from_secs(30));
        let now = Instant::now();
        let first = cached.slot(1, now);
        assert!(Arc::ptr_eq(&first, &cached.slot(1, now)));
        assert!(!Arc::ptr_eq(
            &first,
            &cached.slot(1, now + Duration::from_secs(31))
        ));
        let second = cached.slot(1, now);
        cached.forget(1);
        assert!(!Arc::ptr_eq(&second, &cached.slot(1, now)));
    }

    #[test]
    fn it_never_holds_more_than_its_limit() {
        let cached = Cached::new(2, Duration::from_secs(30));
        for id in 0..50 {
            cached.slot(id, Instant::now());
            assert!(cached.slots.lock().unwrap().len() <= 2);
        }
    }
}
