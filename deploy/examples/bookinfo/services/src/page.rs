//! The page as HTML.

use std::fmt::Write;

use serde_json::Value;

/// What the book is about.
pub(crate) const DESCRIPTION: &str = "A sailor is walled up in an island fortress on his wedding day. Fourteen years \
    later he leaves it by the one gate that was never locked, and comes back rich, patient and under another name.";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color:#222}\
    header{display:flex;justify-content:space-between;border-bottom:1px solid #ddd;padding-bottom:.5em}\
    section{margin:1.5em 0}blockquote{margin:.8em 0;padding:.2em 1em;border-left:3px solid #ddd}\
    small{color:#777}dt{float:left;clear:left;width:8em;color:#777}dd{margin-left:8em}.gone{color:#a00}";

/// What a service said, or what to tell instead.
type Said<'a> = Result<&'a Value, &'a str>;

/// The whole page.
pub(crate) fn render(title: &str, user: Option<&str>, details: Said<'_>, reviews: Said<'_>) -> String {
    let title = escape(title);
    let who = match user {
        Some(name) => format!("{} · <a href=/logout>log out</a>", escape(name)),
        None => "<form action=/login><input name=username placeholder=\"any name, e.g. jason\"> <button>log \
                 in</button></form>"
            .to_owned(),
    };
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style>\n<header><b>Bookinfo, behind Sallyport</b><span>{who}</span>\
         </header>\n<h1>{title}</h1>\n<p>{DESCRIPTION}</p>\n{}{}</html>\n",
        details_section(details),
        reviews_section(reviews),
    )
}

fn details_section(details: Said<'_>) -> String {
    let mut html = "<section><h2>Book details</h2>\n".to_owned();
    match details {
        Ok(details) => {
            html.push_str("<dl>");
            for (label, field) in [
                ("Author", "author"),
                ("Year", "year"),
                ("Type", "type"),
                ("Pages", "pages"),
                ("Publisher", "publisher"),
                ("Language", "language"),
                ("ISBN-10", "ISBN-10"),
                ("ISBN-13", "ISBN-13"),
            ] {
                // Writing to a String cannot fail.
                let _ = write!(html, "<dt>{label}</dt><dd>{}</dd>", text(&details[field]));
            }
            html.push_str("</dl>");
        }
        Err(message) => html.push_str(&gone(message)),
    }
    html.push_str("</section>\n");
    html
}

fn reviews_section(reviews: Said<'_>) -> String {
    let mut html = "<section><h2>Book reviews</h2>\n".to_owned();
    match reviews {
        Ok(answer) => {
            for review in answer["reviews"].as_array().into_iter().flatten() {
                let _ = writeln!(
                    html,
                    "<blockquote>{}<br><small>{}</small> {}</blockquote>",
                    text(&review["text"]),
                    text(&review["reviewer"]),
                    rating(review.get("rating")),
                );
            }
            let _ = writeln!(html, "<small>Reviews served by: {}</small>", text(&answer["podname"]));
        }
        Err(message) => html.push_str(&gone(message)),
    }
    html.push_str("</section>\n");
    html
}

fn rating(rating: Option<&Value>) -> String {
    let Some(rating) = rating else { return String::new() };
    match (rating["stars"].as_u64(), rating["color"].as_str()) {
        (Some(stars), Some(color)) => {
            let stars = usize::try_from(stars).unwrap_or(0).min(5);
            format!("<span style=\"color:{}\">{}{}</span>", escape(color), "★".repeat(stars), "☆".repeat(5 - stars))
        }
        _ => gone("Ratings service is currently unavailable"),
    }
}

fn gone(message: &str) -> String {
    format!("<p class=gone>{}</p>", escape(message))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text),
        Value::Null => String::new(),
        other => escape(&other.to_string()),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_with_everything() {
        let details = json!({"author": "A <b>", "year": 1844});
        let reviews = json!({"podname": "reviews-v2", "reviews": [
            {"reviewer": "Reviewer1", "text": "Fine.", "rating": {"stars": 4, "color": "black"}},
        ]});
        let html = render("A & B", Some("jason"), Ok(&details), Ok(&reviews));
        assert!(html.contains("<title>A &amp; B</title>"), "{html}");
        assert!(html.contains("A &lt;b&gt;") && html.contains("1844"), "{html}");
        assert!(html.contains("★★★★☆") && html.contains("reviews-v2") && html.contains("jason"), "{html}");
    }

    #[test]
    fn a_page_says_what_is_missing() {
        let html = render("T", None, Err("no details"), Err("no reviews"));
        assert!(html.contains("no details") && html.contains("no reviews"), "{html}");
    }
}
