//! The words' index: tantivy in a directory.

use super::{
    answer::{Answer, Question},
    shelf::{Shelf, searchable},
    words::{singular, tolerance, words},
};
use crate::{
    limits::{HITS, QUERY_CHARS, QUERY_WORDS},
    model::Product,
};
use std::{
    path::Path,
    sync::{Mutex, PoisonError, RwLock},
};
use tantivy::{
    IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term,
    collector::{DocSetCollector, TopDocs},
    directory::MmapDirectory,
    query::{AllQuery, BooleanQuery, BoostQuery, FuzzyTermQuery, Occur, Query, TermQuery},
    schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TEXT, Value},
};

/// Bytes the writer may use: tantivy's minimum for one thread is 15 MB.
const WRITER_BYTES: usize = 20_000_000;

/// Why the index did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// tantivy failed.
    #[error("index: {0}")]
    Tantivy(#[from] tantivy::TantivyError),
    /// The directory cannot be used.
    #[error("index directory: {0}")]
    Directory(#[from] tantivy::directory::error::OpenDirectoryError),
    /// The directory cannot be made.
    #[error("index directory: {0}")]
    Io(#[from] std::io::Error),
    /// A stored product does not parse.
    #[error("a stored product does not parse: {0}")]
    Stored(#[from] serde_json::Error),
    /// It holds as much as it may.
    #[error("the index is full: {HITS} products")]
    Full,
    /// The process is about to end.
    #[error("the index has stopped")]
    Stopped,
}

struct Fields {
    id: Field,
    name: Field,
    about: Field,
    text: Field,
    json: Field,
}

/// The index and its table.
pub struct Index {
    fields: Fields,
    reader: IndexReader,
    writer: Mutex<IndexWriter>,
    shelf: RwLock<Shelf>,
}

impl Index {
    /// Open a directory, or begin anew in it: an index that cannot be read is worth nothing, and can be pulled again.
    pub fn open(path: &Path) -> Result<Self, Error> {
        match Self::try_open(path) {
            Err(error @ (Error::Tantivy(_) | Error::Stored(_))) => {
                crate::complain!("search: {error}; beginning anew");
                std::fs::remove_dir_all(path)?;
                Self::try_open(path)
            }
            opened => opened,
        }
    }

    fn try_open(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path)?;
        let mut schema = Schema::builder();
        let fields = Fields {
            id: schema.add_u64_field("id", INDEXED | FAST),
            name: schema.add_text_field("name", TEXT),
            about: schema.add_text_field("about", TEXT),
            text: schema.add_text_field("text", TEXT),
            json: schema.add_bytes_field("json", STORED),
        };
        let index = tantivy::Index::open_or_create(MmapDirectory::open(path)?, schema.build())?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let writer = Mutex::new(index.writer_with_num_threads(1, WRITER_BYTES)?);
        let opened = Self {
            fields,
            reader,
            writer,
            shelf: RwLock::default(),
        };
        opened.load()?;
        Ok(opened)
    }

    fn load(&self) -> Result<(), Error> {
        let searcher = self.reader.searcher();
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        for address in searcher.search(&AllQuery, &DocSetCollector)? {
            let document: TantivyDocument = searcher.doc(address)?;
            if let Some(json) = document
                .get_first(self.fields.json)
                .and_then(|value| value.as_bytes())
            {
                shelf.put(serde_json::from_slice(json)?);
            }
        }
        Ok(())
    }

    /// Nothing in it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Products in it.
    pub fn len(&self) -> usize {
        self.shelf
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Put products in, replacing older versions; durable when it returns. How many were news.
    pub fn upsert(&self, mut products: Vec<Product>) -> Result<usize, Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
            products.retain(|product| shelf.wants(product));
            if shelf.len() + products.len() > HITS {
                return Err(Error::Full);
            }
        }
        if products.is_empty() {
            return Ok(0);
        }
        for product in &products {
            writer.delete_term(Term::from_field_u64(self.fields.id, product.id));
            let mut document = TantivyDocument::default();
            document.add_u64(self.fields.id, product.id);
            document.add_text(self.fields.name, &product.name);
            document.add_text(self.fields.about, searchable(product));
            document.add_text(
                self.fields.text,
                format!("{} {}", product.description, product.details.join(" ")),
            );
            document.add_bytes(self.fields.json, &serde_json::to_vec(product)?);
            writer.add_document(document)?;
        }
        writer.commit()?;
        self.reader.reload()?;
        let stored = products.len();
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        for product in products {
            shelf.put(product);
        }
        Ok(stored)
    }

    /// Find. Known words must match as they are, unknown ones as something near.
    pub fn search(&self, question: &Question) -> Result<Answer, Error> {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        let asked: String = question.q.chars().take(QUERY_CHARS).collect();
        let asked: Vec<String> = words(&asked).take(QUERY_WORDS).collect();
        if asked.is_empty() {
            return Ok(shelf.answer(question, &shelf.all(), &[]));
        }
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let (mut meant, mut corrected) = (Vec::new(), false);
        for word in &asked {
            if shelf.vocabulary.knows(word) {
                clauses.push((Occur::Must, self.exact(word)));
                meant.push(word.clone());
                continue;
            }
            match shelf.vocabulary.nearest(word) {
                Some(near) => {
                    corrected = true;
                    meant.push(near.to_owned());
                    clauses.push((Occur::Must, self.near(word, near)));
                }
                // Perhaps only a description has it.
                None => {
                    meant.push(word.clone());
                    clauses.push((Occur::Must, self.term(self.fields.text, word)));
                }
            }
        }
        let hits = self.ranked(&BooleanQuery::new(clauses), shelf.len())?;
        let wanted: Vec<String> = meant.iter().map(|word| singular(word)).collect();
        let mut answer = shelf.answer(question, &hits, &wanted);
        answer.did_you_mean = corrected.then(|| meant.join(" "));
        Ok(answer)
    }

    fn ranked(&self, query: &dyn Query, limit: usize) -> Result<Vec<u64>, Error> {
        let searcher = self.reader.searcher();
        let found = searcher.search(query, &TopDocs::with_limit(limit.max(1)).order_by_score())?;
        let mut ids = Vec::with_capacity(found.len());
        for (_, address) in found {
            let column = searcher
                .segment_reader(address.segment_ord)
                .fast_fields()
                .u64("id")?;
            ids.extend(column.first(address.doc_id));
        }
        Ok(ids)
    }

    fn term(&self, field: Field, word: &str) -> Box<dyn Query> {
        Box::new(TermQuery::new(
            Term::from_field_text(field, word),
            IndexRecordOption::WithFreqs,
        ))
    }

    /// The word, its singular, or what it begins; in the name before anywhere else.
    fn exact(&self, word: &str) -> Box<dyn Query> {
        let singular = singular(word);
        let mut any: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut add = |query: Box<dyn Query>, boost| {
            any.push((Occur::Should, Box::new(BoostQuery::new(query, boost))))
        };
        add(self.term(self.fields.name, word), 6.0);
        add(self.term(self.fields.about, word), 3.0);
        add(self.term(self.fields.text, word), 1.0);
        if singular != word {
            add(self.term(self.fields.name, &singular), 5.0);
            add(self.term(self.fields.about, &singular), 2.0);
        }
        if singular.chars().count() >= 3 {
            let prefix = Term::from_field_text(self.fields.about, &singular);
            add(Box::new(FuzzyTermQuery::new_prefix(prefix, 0, true)), 0.5);
        }
        Box::new(BooleanQuery::new(any))
    }

    /// The word it most probably is, and, further down, everything else that is near what was written.
    fn near(&self, word: &str, probably: &str) -> Box<dyn Query> {
        let written = Term::from_field_text(self.fields.about, word);
        let fuzzy = FuzzyTermQuery::new(written, tolerance(word) as u8, true);
        Box::new(BooleanQuery::new(vec![
            (
                Occur::Should,
                Box::new(BoostQuery::new(self.exact(probably), 4.0)),
            ),
            (
                Occur::Should,
                Box::new(BoostQuery::new(Box::new(fuzzy), 0.2)),
            ),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn ask(index: &Index, q: &str) -> Answer {
        index
            .search(&Question {
                q: q.into(),
                ..Question::default()
            })
            .unwrap()
    }

    #[test]
    fn it_finds_ranks_corrects_and_survives_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let index = Index::open(state.path()).unwrap();
        assert!(index.is_empty());
        assert_eq!(
            index
                .upsert((1..=200).map(|id| catalogue::product(7, id)).collect())
                .unwrap(),
            200
        );
        assert_eq!(
            index.upsert(vec![catalogue::product(7, 1)]).unwrap(),
            0,
            "the same version is no news"
        );

        let lanterns = ask(&index, "lantern");
        assert!(lanterns.total > 0);
        assert!(lanterns.hits[0].product.name.contains("Lantern"));
        assert_eq!(lanterns.did_you_mean, None);
        let misspelt = ask(&index, "lantren");
        assert!(misspelt.hits[0].product.name.contains("Lantern"));
        assert_eq!(misspelt.did_you_mean.as_deref(), Some("lantern"));
        assert!(
            ask(&index, "navy mugs")
                .hits
                .iter()
                .all(|hit| hit.product.category == "mugs")
        );
        assert_eq!(ask(&index, "qqqqqqqq").total, 0);
        assert_eq!(ask(&index, "").total, 200);
        ask(&index, "' or 1=1-- <script> \u{0} *:* AND (((");

        drop(index);
        let index = Index::open(state.path()).unwrap();
        assert_eq!(index.len(), 200);
        assert_eq!(ask(&index, "lantern").total, lanterns.total);
    }

    #[test]
    fn a_broken_index_is_begun_anew() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("meta.json"), b"{ not an index").unwrap();
        assert!(Index::open(state.path()).unwrap().is_empty());
    }
}
