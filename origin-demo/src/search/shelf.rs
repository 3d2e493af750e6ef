//! All products in memory: filters, facets, orders.

use super::{
    answer::{Answer, BANDS, Facet, FacetValue, Hit, Question},
    words::{Vocabulary, pieces},
};
use crate::{
    catalogue,
    limits::{PAGE, PAGES_MAX},
    model::{Product, Sort},
};
use std::collections::HashMap;

/// The table.
#[derive(Default)]
pub struct Shelf {
    products: HashMap<u64, Product>,
    /// Words of everything ever put here.
    pub vocabulary: Vocabulary,
}

/// One filter of a question, and how to read it from a product.
struct Filter {
    name: &'static str,
    label: &'static str,
    chosen: fn(&Question) -> &str,
    value: fn(&Product) -> &str,
}

const FILTERS: [Filter; 4] = [
    Filter {
        name: "category",
        label: "Shelf",
        chosen: |q| &q.category,
        value: |p| &p.category,
    },
    Filter {
        name: "price",
        label: "Price",
        chosen: |q| &q.price,
        value: |p| band(p.price_cents),
    },
    Filter {
        name: "colour",
        label: "Colour",
        chosen: |q| &q.colour,
        value: |p| &p.colour,
    },
    Filter {
        name: "stock",
        label: "Stock",
        chosen: |q| &q.stock,
        value: |p| if p.stock > 0 { "in" } else { "out" },
    },
];

fn band(cents: u64) -> &'static str {
    BANDS
        .iter()
        .find(|(_, _, from, to)| (*from..*to).contains(&cents))
        .map_or("", |(word, ..)| word)
}

impl Shelf {
    /// How many.
    pub fn len(&self) -> usize {
        self.products.len()
    }

    /// Whether this one is news: not here yet, or older here.
    pub fn wants(&self, product: &Product) -> bool {
        self.products
            .get(&product.id)
            .is_none_or(|known| known.version < product.version)
    }

    /// Put it here.
    pub fn put(&mut self, product: Product) {
        if !self.products.contains_key(&product.id) {
            self.vocabulary.learn(&searchable(&product));
        }
        self.products.insert(product.id, product);
    }

    /// Filter, count, order and cut the hits (best first) into an answer.
    pub fn answer(&self, question: &Question, hits: &[u64], wanted: &[String]) -> Answer {
        let hits: Vec<&Product> = hits.iter().filter_map(|id| self.products.get(id)).collect();
        let passes = |product: &Product, but: &str| {
            FILTERS.iter().all(|filter| {
                let chosen = (filter.chosen)(question);
                filter.name == but || chosen.is_empty() || chosen == (filter.value)(product)
            })
        };
        let facets = FILTERS
            .iter()
            .map(|filter| {
                let others = hits.iter().filter(|product| passes(product, filter.name));
                facet(
                    filter,
                    (filter.chosen)(question),
                    others.map(|product| (filter.value)(product)),
                )
            })
            .collect();
        let mut left: Vec<&Product> = hits
            .iter()
            .filter(|product| passes(product, ""))
            .copied()
            .collect();
        match question.sort {
            Sort::Best => {}
            Sort::PriceUp => left.sort_by_key(|product| product.price_cents),
            Sort::PriceDown => left.sort_by_key(|product| std::cmp::Reverse(product.price_cents)),
            Sort::Name => left.sort_by(|a, b| a.name.cmp(&b.name)),
        }
        let page = question.page.parse().unwrap_or(1).clamp(1, PAGES_MAX);
        let shown = left
            .iter()
            .skip(((page - 1) * PAGE) as usize)
            .take(PAGE as usize);
        Answer {
            hits: shown
                .map(|&p| Hit {
                    name: pieces(&p.name, wanted),
                    product: p.clone(),
                })
                .collect(),
            total: left.len() as u64,
            page,
            facets,
            did_you_mean: None,
        }
    }

    /// Everything, best rated first.
    pub fn all(&self) -> Vec<u64> {
        let mut products: Vec<&Product> = self.products.values().collect();
        products
            .sort_by_key(|p| std::cmp::Reverse((p.stock > 0, p.rating_tenths, p.reviews, p.id)));
        products.iter().map(|product| product.id).collect()
    }
}

fn facet<'a>(filter: &Filter, chosen: &str, values: impl Iterator<Item = &'a str>) -> Facet {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let known: Vec<(String, String)> = match filter.name {
        "category" => catalogue::categories()
            .map(|category| (category.slug, category.name))
            .collect(),
        "price" => BANDS
            .iter()
            .map(|(word, label, ..)| (word.to_string(), label.to_string()))
            .collect(),
        "colour" => catalogue::COLOURS
            .iter()
            .map(|(name, _)| (name.to_string(), name.to_string()))
            .collect(),
        _ => vec![("in".to_owned(), "In stock".to_owned())],
    };
    let values = known
        .into_iter()
        .map(|(value, label)| FacetValue {
            count: counts.get(value.as_str()).copied().unwrap_or_default(),
            chosen: value == chosen,
            value,
            label,
        })
        .filter(|value| value.count > 0 || value.chosen)
        .collect();
    Facet {
        name: filter.name.to_owned(),
        label: filter.label.to_owned(),
        values,
    }
}

/// The words a product is found by, apart from its name.
pub fn searchable(product: &Product) -> String {
    let shelf = catalogue::categories().find(|category| category.slug == product.category);
    let shelf = shelf.map(|category| category.name).unwrap_or_default();
    format!(
        "{} {} {} {} {}",
        product.name, product.colour, product.material, shelf, product.maker
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        let mut shelf = Shelf::default();
        for id in 1..=200 {
            shelf.put(catalogue::product(7, id));
        }
        shelf
    }

    #[test]
    fn a_facet_counts_what_the_other_filters_leave() {
        let shelf = shelf();
        let question = Question {
            category: "mugs".into(),
            colour: "Navy".into(),
            ..Question::default()
        };
        let answer = shelf.answer(&question, &shelf.all(), &[]);
        assert!(
            answer
                .hits
                .iter()
                .all(|hit| hit.product.category == "mugs" && hit.product.colour == "Navy")
        );
        let colours = answer
            .facets
            .iter()
            .find(|facet| facet.name == "colour")
            .unwrap();
        let counted: u64 = colours.values.iter().map(|value| value.count).sum();
        assert_eq!(counted, 25, "all mugs, whatever their colour");
        let navy = colours
            .values
            .iter()
            .find(|value| value.value == "Navy")
            .unwrap();
        assert!(navy.chosen);
        assert_eq!(navy.count, answer.total);
    }

    #[test]
    fn pages_and_filters_of_nonsense_are_empty_or_first_never_an_error() {
        let shelf = shelf();
        let nonsense = Question {
            page: "-3".into(),
            price: "'; --".into(),
            ..Question::default()
        };
        assert_eq!(shelf.answer(&nonsense, &shelf.all(), &[]).total, 0);
        let far = Question {
            page: u64::MAX.to_string(),
            ..Question::default()
        };
        let answer = shelf.answer(&far, &shelf.all(), &[]);
        assert!(answer.hits.is_empty());
        assert_eq!((answer.total, answer.page), (200, PAGES_MAX));
    }

    #[test]
    fn an_older_version_is_not_wanted() {
        let mut shelf = shelf();
        let mut product = catalogue::product(7, 1);
        assert!(!shelf.wants(&product));
        product.version = 2;
        assert!(shelf.wants(&product));
        shelf.put(product.clone());
        product.version = 1;
        assert!(!shelf.wants(&product));
    }
}
