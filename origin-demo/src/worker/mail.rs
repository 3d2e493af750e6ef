//! Confirmations, delivered into a maildir.
//!
//! A message is written under `tmp`, synced, and linked into `new` under a name made from the order. So a reader never
//! sees half a message, and doing the job twice delivers once: a link never replaces.

use super::Worker;
use crate::model::{Order, money};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use time::OffsetDateTime;

/// A maildir of ours.
#[derive(Clone)]
pub struct Mailbox {
    path: PathBuf,
    edge_name: String,
}

pub async fn perform(worker: &Worker, order: &str) -> Result<(), String> {
    let id = order.to_owned();
    let found = worker
        .store
        .read(move |repository| repository.order(&id))
        .await
        .map_err(|error| error.to_string())?;
    let order = found.ok_or_else(|| format!("there is no order {order}"))?;
    let mailbox = worker.mailbox.clone();
    let delivered = tokio::task::spawn_blocking(move || mailbox.deliver(&order)).await;
    delivered
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("maildir: {error}"))
}

impl Mailbox {
    /// Make the three folders.
    pub fn open(path: &Path, edge_name: &str) -> io::Result<Self> {
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(folder))?;
        }
        Ok(Self {
            path: path.to_owned(),
            edge_name: edge_name.to_owned(),
        })
    }

    fn deliver(&self, order: &Order) -> io::Result<()> {
        let name = format!("{}.order-{}", order.placed_ms / 1000, order.id);
        if self.has(&name)? {
            return Ok(());
        }
        let draft = self
            .path
            .join("tmp")
            .join(format!("{name}.{}", std::process::id()));
        let mut file = File::create(&draft)?;
        file.write_all(self.letter(order).as_bytes())?;
        file.sync_all()?;
        let linked = fs::hard_link(&draft, self.path.join("new").join(&name));
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            // The folder too, or a power cut forgets the name.
            _ => File::open(self.path.join("new"))?.sync_all(),
        }
    }

    /// Delivered before: still new, or read since (readers move it to `cur` and add flags).
    fn has(&self, name: &str) -> io::Result<bool> {
        if self.path.join("new").join(name).exists() {
            return Ok(true);
        }
        for entry in fs::read_dir(self.path.join("cur"))? {
            if entry?.file_name().to_string_lossy().starts_with(name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn letter(&self, order: &Order) -> String {
        let Order {
            customer, lines, ..
        } = order;
        let mut letter = format!(
            "From: Tideline <orders@{host}>\r\nTo: <{to}>\r\nSubject: Your order {id}\r\nDate: {date}\r\n\
             Message-ID: <{id}@{host}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n",
            host = self.edge_name,
            to = customer.email,
            id = order.id,
            date = date(order.placed_ms),
        );
        let mut say = |line: &str| {
            letter.push_str(line);
            letter.push_str("\r\n");
        };
        say(&format!("Dear {},", customer.name));
        say("");
        say("thank you for your order. It is packed in straw and leaves with the next tide.");
        say("");
        for line in lines {
            let sum = money(line.price_cents.saturating_mul(u64::from(line.quantity)));
            say(&format!(
                "  {:>2} x {:<44} {sum:>12}",
                line.quantity, line.name
            ));
        }
        say(&format!("  {:<49} {:>12}", "Total", order.total()));
        say("");
        say("It goes to:");
        say("");
        say(&format!("  {}", customer.name));
        say(&format!("  {}", customer.street));
        say(&format!("  {} {}", customer.postcode, customer.city));
        say("");
        say(&format!(
            "You can look at it here: https://{}/orders/{}",
            self.edge_name, order.id
        ));
        say("");
        say("Fair winds,");
        say("Tideline");
        letter
    }
}

/// RFC 5322 §3.3.
fn date(ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp((ms / 1000) as i64)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut out = String::new();
    let (day, month) = (at.weekday().to_string(), at.month().to_string());
    let _ = write!(
        out,
        "{}, {} {} {} {:02}:{:02}:{:02} +0000",
        day.get(..3).unwrap_or_default(),
        at.day(),
        month.get(..3).unwrap_or_default(),
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Customer, OrderLine};

    fn order() -> Order {
        Order {
            id: "0a1b".into(),
            customer: Customer {
                name: "Zoë Quay".into(),
                email: "zoe@example.test".into(),
                street: "1 Mole".into(),
                city: "Harbour".into(),
                postcode: "12345".into(),
            },
            lines: vec![OrderLine {
                product: 1,
                name: "Wick Brass Pendant".into(),
                price_cents: 12_345,
                quantity: 2,
            }],
            total_cents: 24_690,
            placed_ms: 1_750_000_000_000,
        }
    }

    #[test]
    fn delivering_twice_is_one_letter_even_after_it_was_read() {
        let state = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::open(state.path(), "shop.test").unwrap();
        mailbox.deliver(&order()).unwrap();
        mailbox.deliver(&order()).unwrap();
        let list = |folder: &str| {
            fs::read_dir(state.path().join(folder))
                .unwrap()
                .map(|e| e.unwrap().path())
                .collect::<Vec<_>>()
        };
        let new = list("new");
        assert_eq!(new.len(), 1);
        assert!(list("tmp").is_empty());
        let name = new[0].file_name().unwrap().to_str().unwrap();
        fs::rename(
            &new[0],
            state.path().join("cur").join(format!("{name}:2,S")),
        )
        .unwrap();
        mailbox.deliver(&order()).unwrap();
        assert!(list("new").is_empty());
    }

    #[test]
    fn a_letter_says_what_was_bought_and_where_it_goes() {
        let state = tempfile::tempdir().unwrap();
        let letter = Mailbox::open(state.path(), "shop.test")
            .unwrap()
            .letter(&order());
        for part in [
            "To: <zoe@example.test>\r\n",
            "Date: Sun, 15 Jun 2025 15:06:40 +0000\r\n",
            "Dear Zoë Quay,",
            "€246.90",
            "1 Mole",
        ] {
            assert!(letter.contains(part), "{part:?} is missing in\n{letter}");
        }
    }
}
