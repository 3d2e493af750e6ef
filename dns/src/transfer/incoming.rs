//! Copying a zone: asking for its serial number, then for what changed, or for all of it.

use crate::authority::Difference;
use crate::edit::{is_newer, serial_of};
use crate::limits::{TCP_BYTES, TRANSFER_BYTES_MAX, TRANSFER_READ, TRANSFER_WHOLE};
use crate::policy::Peer;
use crate::query::HEADER;
use crate::tsig::{Signer, Stream, now, sign_query};
use crate::wire::{Header, Received, ask, put_record, question, record};
use crate::zone::{Owner, Record};
use crate::{Name, RType, Zone};
use seawall_diag::Span;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long a datagram is waited for, and how often one is sent.
const ASK: Duration = Duration::from_secs(2);
const ASKED_MAX: usize = 3;

/// Why a zone was not copied. Whatever it is, the copy there was stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TransferError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the primary did not answer in time")]
    Timeout,
    #[error("the primary answered with code {0}")]
    Code(u16),
    #[error("the answer is broken: {0}")]
    Broken(&'static str),
    #[error("the signature is not accepted: {0}")]
    Signature(&'static str),
    #[error("the zone is larger than {TRANSFER_BYTES_MAX} bytes")]
    TooLarge,
}

/// A new version.
pub(crate) struct Copied {
    pub zone: Zone,
    pub difference: Option<Difference>,
}

fn id() -> u16 {
    use std::hash::{BuildHasher, Hasher};
    ahash::RandomState::new().build_hasher().finish() as u16
}

/// Brings a copy up to date. `None` if it is.
pub(crate) async fn refresh(
    zone: &Name,
    have: Option<&Zone>,
    peer: &Peer,
) -> Result<Option<Copied>, TransferError> {
    let ours = have.and_then(Zone::serial);
    // Where this is not to be had the transfer tells as well: Knot DNS answers for catalogs over TCP alone, and there are
    // networks that datagrams do not pass.
    if let Some(ours) = ours
        && let Ok(theirs) = serial(zone, peer).await
        && !is_newer(theirs, ours)
    {
        return Ok(None);
    }
    let copied = timeout(TRANSFER_WHOLE, transfer(zone, have, peer)).await;
    match copied.map_err(|_| TransferError::Timeout)? {
        // A server that cannot do IXFR says so, or sends what does not fit: then the whole zone.
        Err(TransferError::Code(_) | TransferError::Broken(_)) if have.is_some() => {
            let whole = timeout(TRANSFER_WHOLE, transfer(zone, None, peer)).await;
            whole.map_err(|_| TransferError::Timeout)?
        }
        other => other,
    }
}

/// The serial number that the primary has.
async fn serial(zone: &Name, peer: &Peer) -> Result<u32, TransferError> {
    let any: SocketAddr = if peer.address.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(peer.address).await?;
    let mut buffer = vec![0; 4096];
    for _ in 0..ASKED_MAX {
        let id = id();
        let mut query = ask(id, 0, zone, RType::SOA);
        let signer = peer
            .key
            .as_ref()
            .map(|key| sign_query(&mut query, key, now()));
        socket.send(&query).await?;
        let Ok(got) = timeout(ASK, socket.recv(&mut buffer)).await else {
            continue;
        };
        let answer = buffer.get(..got?).unwrap_or_default();
        let header = Header::read(answer).ok_or(TransferError::Broken("no header"))?;
        if header.id != id {
            continue;
        }
        if let Some(signer) = signer {
            Stream::new(signer)
                .take(answer, now())
                .map_err(TransferError::Signature)?;
        }
        if header.rcode() != 0 {
            return Err(TransferError::Code(header.rcode()));
        }
        let soa = records(answer, header)?
            .into_iter()
            .find(|r| r.rtype == RType::SOA && r.owner.lower() == zone.lower());
        let soa = soa.ok_or(TransferError::Broken("no SOA"))?;
        return serial_of(&soa.data).ok_or(TransferError::Broken("a short SOA"));
    }
    Err(TransferError::Timeout)
}

/// The records of the answer section.
fn records(message: &[u8], header: Header) -> Result<Vec<Received>, TransferError> {
    let broken = || TransferError::Broken("a record that cannot be read");
    let mut at = HEADER;
    for _ in 0..header.counts[0] {
        at = question(message, at).ok_or_else(broken)?.3;
    }
    let mut found = Vec::new();
    for _ in 0..header.counts[1] {
        let (received, end) = record(message, at).ok_or_else(broken)?;
        at = end;
        found.push(received);
    }
    Ok(found)
}

async fn transfer(
    zone: &Name,
    have: Option<&Zone>,
    peer: &Peer,
) -> Result<Option<Copied>, TransferError> {
    let connected = timeout(TRANSFER_READ, TcpStream::connect(peer.address)).await;
    let mut stream = connected.map_err(|_| TransferError::Timeout)??;
    stream.set_nodelay(true)?;
    let id = id();
    let soa = have.and_then(Zone::soa_record);
    let rtype = if soa.is_some() {
        RType::IXFR
    } else {
        RType::AXFR
    };
    let mut query = ask(id, 0, zone, rtype);
    if let Some(soa) = &soa {
        put_record(&mut query, &soa.owner, RType::SOA, 1, 0, &soa.data);
        crate::wire::count(&mut query, 2, 1);
    }
    let signer: Option<Signer> = peer
        .key
        .as_ref()
        .map(|key| sign_query(&mut query, key, now()));
    let mut framed = (query.len() as u16).to_be_bytes().to_vec();
    framed.extend(query);
    stream.write_all(&framed).await?;
    let mut signed = signer.map(Stream::new);
    let mut reading = Reading::new(zone, have);
    let mut bytes = 0u64;
    let mut message = Vec::with_capacity(TCP_BYTES);
    loop {
        let len = timeout(TRANSFER_READ, stream.read_u16())
            .await
            .map_err(|_| TransferError::Timeout)??;
        message.resize(usize::from(len), 0);
        let read = timeout(TRANSFER_READ, stream.read_exact(&mut message)).await;
        read.map_err(|_| TransferError::Timeout)??;
        bytes += u64::from(len);
        if bytes > TRANSFER_BYTES_MAX {
            return Err(TransferError::TooLarge);
        }
        if let Some(signed) = &mut signed {
            signed
                .take(&message, now())
                .map_err(TransferError::Signature)?;
        }
        let header = Header::read(&message).ok_or(TransferError::Broken("no header"))?;
        if header.id != id || header.flags & 0x8000 == 0 {
            return Err(TransferError::Broken("an answer to something else"));
        }
        if header.rcode() != 0 {
            return Err(TransferError::Code(header.rcode()));
        }
        for received in records(&message, header)? {
            reading.take(received)?;
        }
        if reading.is_complete() {
            if signed.is_some_and(|s| !s.complete) {
                return Err(TransferError::Signature("the end is not signed"));
            }
            return reading.finish();
        }
    }
}

/// Where in a transfer we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// Behind the first SOA: what comes next tells which kind of transfer this is.
    Second,
    Whole,
    Removing,
    Adding,
    Done,
}

/// A transfer as it is read.
struct Reading<'z> {
    name: &'z Name,
    have: Option<&'z Zone>,
    state: State,
    target: u32,
    zone: Option<Zone>,
    at: u32,
    touched: HashMap<Name, Option<Owner>>,
    first: Option<Record>,
    up_to_date: bool,
}

impl<'z> Reading<'z> {
    fn new(name: &'z Name, have: Option<&'z Zone>) -> Self {
        Self {
            name,
            have,
            state: State::Start,
            target: 0,
            zone: None,
            at: 0,
            touched: HashMap::new(),
            first: None,
            up_to_date: false,
        }
    }

    /// Whether no more is to come. An answer of one SOA says that there is nothing newer.
    fn is_complete(&mut self) -> bool {
        if self.state == State::Second {
            let ours = self.have.and_then(Zone::serial);
            self.up_to_date = ours.is_some_and(|ours| !is_newer(self.target, ours));
            return self.up_to_date;
        }
        self.state == State::Done
    }

    fn take(&mut self, received: Received) -> Result<(), TransferError> {
        if received.class != 1 || self.state == State::Done {
            return Err(TransferError::Broken(
                "a record of another class, or behind the end",
            ));
        }
        if !received.owner.is_within(self.name) {
            return Err(TransferError::Broken("a record out of the zone"));
        }
        let record = Record {
            owner: received.owner,
            rtype: received.rtype,
            ttl: if received.ttl > i32::MAX as u32 {
                0
            } else {
                received.ttl
            },
            data: received.data.into(),
            at: Span::default(),
        };
        if record.rtype != RType::SOA {
            return self.other(record);
        }
        let serial = serial_of(&record.data).ok_or(TransferError::Broken("a short SOA"))?;
        self.soa(record, serial)
    }

    fn soa(&mut self, record: Record, serial: u32) -> Result<(), TransferError> {
        match self.state {
            State::Start => {
                self.target = serial;
                self.first = Some(record);
                self.state = State::Second;
            }
            State::Second
                if Some(serial) == self.have.and_then(Zone::serial) && serial != self.target =>
            {
                self.zone = self.have.cloned();
                self.at = serial;
                self.state = State::Removing;
            }
            // A zone of one record: SOA and SOA again.
            State::Second => {
                self.start_whole();
                self.state = State::Done;
            }
            State::Whole if serial == self.target => self.state = State::Done,
            State::Removing => {
                self.at = serial;
                self.touch_and(record, true)?;
                self.state = State::Adding;
            }
            State::Adding if serial == self.target && self.at == self.target => {
                self.state = State::Done
            }
            State::Adding if serial == self.at => self.state = State::Removing,
            _ => return Err(TransferError::Broken("a SOA that does not follow")),
        }
        Ok(())
    }

    fn other(&mut self, record: Record) -> Result<(), TransferError> {
        match self.state {
            State::Second => {
                self.start_whole();
                self.state = State::Whole;
                self.other(record)
            }
            State::Whole => {
                if let Some(zone) = &mut self.zone {
                    zone.put(record);
                }
                Ok(())
            }
            State::Removing => self.touch_and(record, false),
            State::Adding => self.touch_and(record, true),
            State::Start | State::Done => {
                Err(TransferError::Broken("it does not begin with a SOA"))
            }
        }
    }

    fn start_whole(&mut self) {
        let mut zone = Zone::empty(self.name.clone());
        if let Some(soa) = self.first.take() {
            zone.put(soa);
        }
        self.zone = Some(zone);
    }

    fn touch_and(&mut self, record: Record, add: bool) -> Result<(), TransferError> {
        let zone = self
            .zone
            .as_mut()
            .ok_or(TransferError::Broken("nothing to change"))?;
        let before = || zone.owner(&record.owner).cloned();
        self.touched
            .entry(record.owner.lower())
            .or_insert_with(before);
        if add {
            zone.put(record);
        } else if !zone.remove_record(&record.owner, record.rtype, &record.data) {
            return Err(TransferError::Broken("it removes what is not there"));
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<Copied>, TransferError> {
        if self.up_to_date {
            return Ok(None);
        }
        let zone = self.zone.ok_or(TransferError::Broken("it is empty"))?;
        if zone.serial() != Some(self.target) {
            return Err(TransferError::Broken("it ends at another serial number"));
        }
        let mut difference = Difference::default();
        for (name, before) in &self.touched {
            difference.owner(before.as_ref(), zone.owner(name));
        }
        let difference = match self.have {
            Some(have) if self.touched.is_empty() => Some(Difference::between(have, &zone)),
            Some(_) => Some(difference),
            None => None,
        };
        Ok(Some(Copied { zone, difference }))
    }
}
