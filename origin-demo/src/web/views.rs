//! What the templates are given. Askama escapes every value.

use super::Web;
use crate::{
    catalogue,
    model::{Cart, Category, Order, Page, Product, Sort},
    search::{Answer, Question},
};
use askama::Template;

/// What is around every page.
pub struct Shell {
    pub css: String,
    pub js: String,
    pub shelves: Vec<Category>,
    /// The shelf whose menu entry is marked.
    pub current: String,
    /// What the search box holds.
    pub q: String,
}

impl Web {
    /// The shell; the menu needs no api.
    pub fn shell(&self, current: &str) -> Shell {
        Shell {
            css: self.assets.css.clone(),
            js: self.assets.js.clone(),
            shelves: catalogue::categories().collect(),
            current: current.to_owned(),
            q: String::new(),
        }
    }
}

/// The front page.
#[derive(Template)]
#[template(path = "home.html")]
pub struct Home {
    pub shell: Shell,
    /// The best rated. Empty when the api is away.
    pub featured: Vec<Product>,
    /// Something to look at beside the welcome.
    pub hero: Option<Product>,
    /// What is wrong, if something is.
    pub notice: Option<&'static str>,
}

/// A shelf.
#[derive(Template)]
#[template(path = "shelf.html")]
pub struct Shelf {
    pub shell: Shell,
    pub category: Category,
    pub products: Page<Product>,
    pub sort: Sort,
    pub pager: Pager,
}

/// A product.
#[derive(Template)]
#[template(path = "product.html")]
pub struct ProductPage {
    pub shell: Shell,
    pub product: Product,
    pub category: Category,
    pub more: Vec<Product>,
}

/// Something to say instead of a page.
#[derive(Template)]
#[template(path = "notice.html")]
pub struct Notice {
    pub shell: Shell,
    pub title: &'static str,
    pub text: &'static str,
}

/// Links to neighbouring pages.
#[derive(Default)]
pub struct Pager {
    pub page: u64,
    pub pages: u64,
    pub previous: Option<String>,
    pub next: Option<String>,
}

impl Pager {
    /// `link` makes the address of a page.
    pub fn new(page: u64, total: u64, per_page: u64, link: impl Fn(u64) -> String) -> Self {
        let pages = total.div_ceil(per_page).max(1);
        Self {
            page,
            pages,
            previous: (page > 1).then(|| link((page - 1).min(pages))),
            next: (page < pages).then(|| link(page + 1)),
        }
    }
}

impl Sort {
    /// As in the menu.
    pub fn label(&self) -> &'static str {
        match self {
            Sort::Best => "Best first",
            Sort::PriceUp => "Price, low to high",
            Sort::PriceDown => "Price, high to low",
            Sort::Name => "Name",
        }
    }
}

/// The cart.
#[derive(Template)]
#[template(path = "cart.html")]
pub struct CartPage {
    pub shell: Shell,
    pub note: Option<&'static str>,
    pub token: String,
    /// Something in it is not there in that number any more.
    pub short: bool,
    pub cart: Cart,
}

/// Name, address, e-mail.
#[derive(Template)]
#[template(path = "checkout.html")]
pub struct Checkout {
    pub shell: Shell,
    pub token: String,
    pub attempt: String,
    pub cart: Cart,
    pub fields: Vec<Field>,
    /// Why the order was not placed, if not because of a field.
    pub problem: Option<String>,
}

/// An input and what is wrong with it.
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub kind: &'static str,
    pub autocomplete: &'static str,
    pub half: bool,
    pub value: String,
    pub wrong: Option<&'static str>,
}

/// Thank you.
#[derive(Template)]
#[template(path = "order.html")]
pub struct Confirmation {
    pub shell: Shell,
    pub order: Order,
}

/// What was found.
#[derive(Template)]
#[template(path = "search.html")]
pub struct SearchPage {
    pub shell: Shell,
    pub question: Question,
    pub answer: Answer,
    pub facets: Vec<FacetLinks>,
    pub pager: Pager,
    /// Made without the search role.
    pub plain: bool,
}

/// Ways to narrow a search down.
pub struct FacetLinks {
    pub label: String,
    pub links: Vec<FacetLink>,
}

/// One of them.
pub struct FacetLink {
    pub label: String,
    pub count: u64,
    pub chosen: bool,
    pub href: String,
}
