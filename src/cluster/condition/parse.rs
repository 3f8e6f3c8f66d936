//! Reads the part of CEL that conditions are made of.

use super::Expr;

/// Deepest nesting that is read.
const DEEPEST: usize = 64;
/// Most words that are read: `a && a && ...` is as deep as it is long.
const MOST: usize = 1_000;

/// A word of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Number(i64),
    Sign(&'static str),
}

const SIGNS: [&str; 11] = ["&&", "||", "==", "!=", "!", "(", ")", "[", "]", ",", "."];

/// Reads a whole expression; None if it is not of the part that is read.
pub(super) fn expression(text: &str) -> Option<Expr> {
    let tokens = tokens(text).filter(|t| t.len() <= MOST)?;
    let mut p = Parser { tokens, at: 0, depth: 0 };
    let e = p.or()?;
    (p.at == p.tokens.len()).then_some(e)
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end;
        if first == '"' || first == '\'' {
            let body = &rest[1..];
            let close = body.find(first)?;
            if body[..close].contains('\\') {
                return None;
            }
            tokens.push(Token::Text(body[..close].to_owned()));
            end = close + 2;
        } else if first.is_ascii_digit() {
            end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..end].parse().ok()?));
        } else if first.is_ascii_alphabetic() || first == '_' {
            end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
        } else {
            let sign = SIGNS.iter().find(|s| rest.starts_with(**s))?;
            tokens.push(Token::Sign(sign));
            end = sign.len();
        }
        rest = rest[end..].trim_start();
    }
    Some(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn eat(&mut self, sign: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(is);
        is
    }

    fn eat_name(&mut self, name: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Name(n)) if n == name);
        self.at += usize::from(is);
        is
    }

    fn name(&mut self) -> Option<String> {
        let Some(Token::Name(name)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        Some(name.clone())
    }

    fn or(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut e = self.and()?;
        while self.eat("||") {
            e = Expr::Or(e.into(), self.and()?.into());
        }
        self.depth -= 1;
        Some(e)
    }

    fn and(&mut self) -> Option<Expr> {
        let mut e = self.comparison()?;
        while self.eat("&&") {
            e = Expr::And(e.into(), self.comparison()?.into());
        }
        Some(e)
    }

    fn comparison(&mut self) -> Option<Expr> {
        let left = self.unary()?;
        if self.eat("==") {
            return Some(Expr::Equal(left.into(), self.unary()?.into()));
        }
        if self.eat("!=") {
            return Some(Expr::Not(Expr::Equal(left.into(), self.unary()?.into()).into()));
        }
        if self.eat_name("in") {
            return Some(Expr::In(left.into(), self.unary()?.into()));
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Expr> {
        let mut denied = 0;
        while self.eat("!") {
            denied += 1;
        }
        let e = self.primary()?;
        Some(if denied % 2 == 1 { Expr::Not(e.into()) } else { e })
    }

    fn primary(&mut self) -> Option<Expr> {
        let mut e = match self.tokens.get(self.at)?.clone() {
            Token::Text(text) => {
                self.at += 1;
                Expr::Text(text)
            }
            Token::Number(n) => {
                self.at += 1;
                Expr::Number(n)
            }
            Token::Sign("(") => {
                self.at += 1;
                let e = self.or()?;
                self.eat(")").then_some(e)?
            }
            Token::Sign("[") => {
                self.at += 1;
                Expr::List(self.list("]")?)
            }
            Token::Sign(_) => return None,
            Token::Name(name) => {
                self.at += 1;
                match name.as_str() {
                    "true" => Expr::Truth(true),
                    "false" => Expr::Truth(false),
                    "has" if self.eat("(") => {
                        let inner = self.or()?;
                        let path =
                            if let (Expr::Path(path), true) = (inner, self.eat(")")) { path } else { return None };
                        Expr::Has(path)
                    }
                    _ => Expr::Path(vec![name]),
                }
            }
        };
        loop {
            if self.eat(".") {
                let name = self.name()?;
                e = if self.eat("(") {
                    Expr::Method(e.into(), name, self.list(")")?)
                } else if let Expr::Path(mut path) = e {
                    path.push(name);
                    Expr::Path(path)
                } else {
                    Expr::Other
                };
            } else if self.eat("[") {
                let index = self.or()?;
                if !self.eat("]") {
                    return None;
                }
                e = match (e, index) {
                    (Expr::Path(mut path), Expr::Text(key)) => {
                        path.push(key);
                        Expr::Path(path)
                    }
                    _ => Expr::Other,
                };
            } else {
                return Some(e);
            }
        }
    }

    /// The rest of a list, with its closing sign.
    fn list(&mut self, close: &str) -> Option<Vec<Expr>> {
        let mut list = Vec::new();
        if self.eat(close) {
            return Some(list);
        }
        loop {
            list.push(self.or()?);
            if self.eat(close) {
                return Some(list);
            }
            if !self.eat(",") {
                return None;
            }
        }
    }
}
