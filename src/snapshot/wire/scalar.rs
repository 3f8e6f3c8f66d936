//! Scalars and containers that borrow, and that take `null` for "not given" as the API does.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A string, borrowed from the input where it holds no escapes; `null` reads as "".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for V<'a> {
            type Value = Text<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(v)))
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(v.to_owned())))
            }
            fn visit_string<E: Error>(self, v: String) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(v)))
            }
            fn visit_unit<E: Error>(self) -> Result<Text<'a>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(V(PhantomData))
    }
}

/// A value that the API writes as `null` where it has none: it reads as the default, as Go reads it into a struct or a number.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A count: what the API server stores as an int32 from 0 on (replicas, pods of a status, attachable volumes). `null` is none.
pub fn count<'de, D: Deserializer<'de>, T: From<Count>>(deserializer: D) -> Result<T, D::Error> {
    whole(deserializer, 0, i64::from(i32::MAX))
}

/// A count from 1 on: `maxSkew`, a pod's `activeDeadlineSeconds`.
pub fn positive<'de, D: Deserializer<'de>, T: From<Count>>(deserializer: D) -> Result<T, D::Error> {
    whole(deserializer, 1, i64::from(i32::MAX))
}

fn whole<'de, D: Deserializer<'de>, T: From<Count>>(deserializer: D, least: i64, most: i64) -> Result<T, D::Error> {
    let number = Option::<i64>::deserialize(deserializer)?;
    match number {
        Some(n) if !(least..=most).contains(&n) => {
            Err(D::Error::custom(format_args!("expected a whole number from {least} to {most}, found {n}")))
        }
        number => Ok(T::from(Count(number))),
    }
}

/// A span in seconds, which the API server stores whatever it is. More than [`LONGEST_S`] is taken as that: nothing here lasts as long, and sums of
/// times stay within what they are counted in.
pub fn seconds<'de, D: Deserializer<'de>, T: From<Count>>(deserializer: D) -> Result<T, D::Error> {
    let number = Option::<i64>::deserialize(deserializer)?;
    Ok(T::from(Count(number.map(|n| n.clamp(-LONGEST_S, LONGEST_S)))))
}

/// A hundred years.
const LONGEST_S: i64 = 100 * 366 * 86_400;

/// A number that was looked at, or none.
#[derive(Clone, Copy, Debug)]
pub struct Count(Option<i64>);

impl From<Count> for Option<i64> {
    fn from(count: Count) -> Option<i64> {
        count.0
    }
}

impl From<Count> for i64 {
    fn from(count: Count) -> i64 {
        count.0.unwrap_or_default()
    }
}

/// A list; `null` reads as empty, a `null` within it as the item's default.
#[derive(Clone, Debug)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for V<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E: Error>(self) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
                while let Some(item) = seq.next_element::<Option<T>>()? {
                    items.push(item.unwrap_or_default());
                }
                Ok(List(items))
            }
        }
        deserializer.deserialize_any(V(PhantomData))
    }
}

/// A JSON object as pairs in the order of the input; `null` reads as empty, a `null` within it as the value's default.
#[derive(Clone, Debug)]
pub struct Map<'a, T>(pub Vec<(Text<'a>, T)>);

/// A JSON object of strings.
pub type Pairs<'a> = Map<'a, Text<'a>>;

impl<T> Default for Map<'_, T> {
    fn default() -> Self {
        Map(Vec::new())
    }
}

impl<'a, T> Deref for Map<'a, T> {
    type Target = [(Text<'a>, T)];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> Map<'_, T> {
    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(k, _)| &**k == key).map(|(_, v)| v)
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de> + Default> Deserialize<'de> for Map<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<'a, T>(PhantomData<(&'a (), T)>);
        impl<'de: 'a, 'a, T: Deserialize<'de> + Default> Visitor<'de> for V<'a, T> {
            type Value = Map<'a, T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E: Error>(self) -> Result<Map<'a, T>, E> {
                Ok(Map::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<'a, T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<_, Option<T>>()? {
                    pairs.push((key, value.unwrap_or_default()));
                }
                Ok(Map(pairs))
            }
        }
        deserializer.deserialize_any(V(PhantomData))
    }
}

/// A moment in milliseconds since 1970, written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        crate::snapshot::time::parse_rfc3339(&text).map(Time).ok_or_else(|| {
            D::Error::custom(format_args!("expected a time such as 2026-11-21T10:00:00Z, found {:?}", &*text))
        })
    }
}

/// A JSON number or a string: `minAvailable`, `targetPort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntOrString {
    /// A number.
    Int(i64),
    /// A string such as `50%`.
    Text(String),
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = IntOrString;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string such as \"50%\"")
            }
            // The API server stores it as an int32.
            fn visit_i64<E: Error>(self, n: i64) -> Result<IntOrString, E> {
                match i32::try_from(n) {
                    Ok(_) => Ok(IntOrString::Int(n)),
                    Err(_) => Err(E::custom(format_args!(
                        "expected a whole number from {} to {}, found {n}",
                        i32::MIN,
                        i32::MAX
                    ))),
                }
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<IntOrString, E> {
                self.visit_i64(i64::try_from(n).unwrap_or(i64::MAX))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<IntOrString, E> {
                Ok(IntOrString::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(V)
    }
}
