//! What belongs to one worker thread: nothing in here is shared, nothing is locked.

use crate::{
    clock::Clock,
    content::OpenFiles,
    io::ReadBuffer,
    log::{LogBuffers, OpenLogs},
    origin::{Http2Origins, Origins},
    plan::Plan,
    shared::Shared,
    template::ProcessInfo,
    timer::Timers,
    tx::Tx,
};
use seawall_sys::splice::Pipe;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

/// A plan as a request pins it: one count that no other thread touches.
pub type Pinned = Rc<Arc<Plan>>;

/// The state of one worker thread.
pub struct Local {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Deadlines.
    pub timers: Rc<Timers>,
    /// Dates.
    pub clock: Clock,
    /// Access log buffers.
    pub logs: LogBuffers,
    /// Access logs that requests name.
    pub named_logs: OpenLogs,
    /// What is sent to syslog.
    pub datagram: RefCell<Vec<u8>>,
    /// Connections to origins.
    pub origins: Origins,
    /// Files opened before.
    pub files: OpenFiles,
    /// Connections to origins that speak HTTP/2.
    pub http2: Http2Origins,
    /// `$hostname`, `$pid`
    pub process: ProcessInfo,
    /// Connections this thread serves now.
    pub connections: Cell<usize>,
    /// Tasks that outlive their client: fills, revalidations.
    pub background: Cell<usize>,
    /// Copies of requests under way.
    pub mirrors: Cell<usize>,
    /// Tunnels that are open.
    pub tunnels: Cell<usize>,
    plan: RefCell<(u64, Pinned)>,
    // Boxed, because they move between here and the connections that use them.
    #[allow(clippy::vec_box)]
    spare: RefCell<Vec<Box<Tx>>>,
    waf: RefCell<Vec<seawall_waf::Scratch>>,
    keys: RefCell<Vec<seawall_cache::KeyBuf>>,
    random: Cell<u64>,
    tunnel: RefCell<ReadBuffer>,
    reads: RefCell<Vec<ReadBuffer>>,
    pipes: RefCell<Vec<Pipe>>,
}

impl Local {
    /// Transactions kept for reuse.
    const SPARE_MAX: usize = 64;
    /// Empty pipes kept for reuse.
    const PIPES_MAX: usize = 16;

    /// The state of a new thread.
    pub fn new(shared: Arc<Shared>) -> Rc<Self> {
        let plan = shared.plan.load_full();
        let seed = ahash::RandomState::new().hash_one(std::thread::current().id());
        Rc::new(Self {
            timers: Timers::new(),
            clock: Clock::default(),
            logs: LogBuffers::default(),
            named_logs: OpenLogs::default(),
            datagram: RefCell::default(),
            origins: Origins::default(),
            files: OpenFiles::default(),
            http2: Http2Origins::default(),
            process: ProcessInfo::default(),
            connections: Cell::new(0),
            background: Cell::new(0),
            mirrors: Cell::new(0),
            tunnels: Cell::new(0),
            plan: RefCell::new((plan.generation, Rc::new(plan))),
            spare: RefCell::default(),
            waf: RefCell::default(),
            keys: RefCell::default(),
            random: Cell::new(seed | 1),
            tunnel: RefCell::default(),
            reads: RefCell::default(),
            pipes: RefCell::default(),
            shared,
        })
    }

    /// The live plan.
    pub fn plan(&self) -> Pinned {
        let live = self.shared.generation.load(Ordering::Acquire);
        let mut known = self.plan.borrow_mut();
        if known.0 != live {
            *known = (live, Rc::new(self.shared.plan.load_full()));
        }
        known.1.clone()
    }

    /// A clean transaction.
    pub fn take_tx(&self) -> Box<Tx> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a transaction back.
    pub fn give_tx(&self, mut tx: Box<Tx>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < Self::SPARE_MAX {
            tx.reset();
            tx.rb.clear();
            self.give_read(&mut tx.origin.rb);
            spare.push(tx);
        }
    }

    /// Lends memory to a buffer that has none and is about to be read into.
    ///
    /// What was given back last is lent first, so that requests one after the other read into memory that is still in the
    /// processor's cache, whosever they are: at 64 KiB that is a good part of what a response costs.
    pub fn lend_read(&self, to: &mut ReadBuffer) {
        if to.capacity() == 0
            && let Some(buffer) = self.reads.borrow_mut().pop()
        {
            *to = buffer;
        }
    }

    /// Takes the memory of a buffer back that is not read from any more.
    pub fn give_read(&self, from: &mut ReadBuffer) {
        from.clear();
        if from.capacity() == 0 {
            return;
        }
        from.shrink();
        let buffer = std::mem::take(from);
        let mut spare = self.reads.borrow_mut();
        if buffer.capacity() > 0 && spare.len() < Self::SPARE_MAX {
            spare.push(buffer);
        }
    }

    /// The buffer that all tunnels of the thread read into, for as long as one of them is polled.
    pub fn with_tunnel_buffer<T>(&self, f: impl FnOnce(&mut ReadBuffer) -> T) -> T {
        f(&mut self.tunnel.borrow_mut())
    }

    /// A pipe for a body; `None` where there are no descriptors left.
    pub fn take_pipe(&self) -> Option<Pipe> {
        let spare = self.pipes.borrow_mut().pop();
        spare.or_else(|| Pipe::new().ok())
    }

    /// Gives a pipe back. One that still holds bytes is closed.
    pub fn give_pipe(&self, pipe: Pipe) {
        let mut spare = self.pipes.borrow_mut();
        if pipe.held() == 0 && spare.len() < Self::PIPES_MAX {
            spare.push(pipe);
        }
    }

    /// WAF buffers: those that a program made warm, if there are any.
    pub fn take_waf(&self, program: &seawall_waf::Program) -> seawall_waf::Scratch {
        let mut spare = self.waf.borrow_mut();
        let warm = spare.iter().rposition(|scratch| scratch.serves(program));
        match warm {
            Some(index) => spare.swap_remove(index),
            None if spare.len() < Self::SPARE_MAX => seawall_waf::Scratch::default(),
            None => spare.pop().unwrap_or_default(),
        }
    }

    /// Gives WAF buffers back.
    pub fn give_waf(&self, scratch: seawall_waf::Scratch) {
        let mut spare = self.waf.borrow_mut();
        if spare.len() < Self::SPARE_MAX {
            spare.push(scratch);
        }
    }

    /// A buffer for a cache key.
    pub fn take_key(&self) -> seawall_cache::KeyBuf {
        self.keys.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives it back.
    pub fn give_key(&self, key: seawall_cache::KeyBuf) {
        self.keys.borrow_mut().push(key);
    }

    /// A random number, good enough to choose servers and name requests (splitmix64 over a random seed).
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random request id.
    pub fn random_id(&self) -> u128 {
        u128::from(self.random()) << 64 | u128::from(self.random())
    }
}
