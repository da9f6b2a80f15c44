//! Carries 'committed' from the committer's thread to the listener's, with one wake-up for a whole commit.
//!
//! A oneshot a message would wake the other thread once a message. Here the committer's thread only appends to a
//! list; the first entry of a burst rings, and one task on the listener's thread hands all of them on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ntex::channel::pool;
use ntex::util::HashMap;
use tokio::sync::Notify;

use crate::delivery::NotCommitted;

type Outcome = Result<(), NotCommitted>;

/// Outcomes on their way between the threads.
#[derive(Debug, Default)]
pub(super) struct PendingAcks {
    arrived: Mutex<Vec<(u64, Outcome)>>,
    bell: Notify,
    waiting: AtomicUsize,
}

impl PendingAcks {
    /// Returns how many messages wait for their outcome.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    fn put(&self, ticket: u64, outcome: Outcome) {
        let is_first = {
            let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            arrived.push((ticket, outcome));
            arrived.len() == 1
        };
        if is_first {
            self.bell.notify_one();
        }
    }

    fn take_into(&self, taken: &mut Vec<(u64, Outcome)>) {
        std::mem::swap(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner), taken);
    }
}

/// Reports one message's outcome, from any thread; reports `Stopping` when it is dropped unused.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    acks: Arc<PendingAcks>,
    used: bool,
}

impl Ticket {
    pub(super) fn report(mut self, outcome: Outcome) {
        self.used = true;
        self.acks.put(self.number, outcome);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.used {
            self.acks.put(self.number, Err(NotCommitted::Stopping));
        }
    }
}

/// The listener thread's side.
#[derive(Debug)]
pub(super) struct AckDesk {
    acks: Arc<PendingAcks>,
    waiters: RefCell<HashMap<u64, pool::Sender<Outcome>>>,
    pool: pool::Pool<Outcome>,
    next: Cell<u64>,
}

impl AckDesk {
    pub(super) fn new(acks: Arc<PendingAcks>) -> Rc<Self> {
        Rc::new(Self { acks, waiters: RefCell::default(), pool: pool::new(), next: Cell::new(0) })
    }

    /// Opens a wait for one message.
    pub(super) fn ticket(&self) -> (Ticket, pool::Receiver<Outcome>) {
        let number = self.next.get();
        self.next.set(number + 1);
        let (sender, receiver) = self.pool.channel();
        self.waiters.borrow_mut().insert(number, sender);
        self.acks.waiting.fetch_add(1, Ordering::AcqRel);
        (Ticket { number, acks: Arc::clone(&self.acks), used: false }, receiver)
    }

    /// Hands outcomes on for as long as the worker lives.
    pub(super) async fn run(self: Rc<Self>) {
        let mut taken = Vec::new();
        loop {
            self.acks.bell.notified().await;
            self.acks.take_into(&mut taken);
            for (number, outcome) in taken.drain(..) {
                self.acks.waiting.fetch_sub(1, Ordering::AcqRel);
                let waiter = self.waiters.borrow_mut().remove(&number);
                if waiter.is_some_and(|waiter| waiter.send(outcome).is_err()) {
                    tracing::trace!("a connection closed before its acknowledgement");
                }
            }
        }
    }
}
