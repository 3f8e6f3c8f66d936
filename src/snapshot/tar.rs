//! Archives as `tar` writes them (POSIX ustar and pax, GNU's long names): their regular files, in their order.

/// Length of a block.
const BLOCK: usize = 512;

/// Whether bytes are a tar archive: the magic of its first header, or a header without one whose checksum is right.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(..BLOCK).is_some_and(|header| &header[257..262] == b"ustar" || checksum_holds(header))
}

/// Names and contents of the regular files of an archive.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn files(bytes: &[u8]) -> Result<Vec<(String, &[u8])>, String> {
    let mut files = Vec::new();
    let (mut at, mut next_name) = (0usize, None::<String>);
    let mut next_size = None::<usize>;
    while let Some(header) = bytes.get(at..at.saturating_add(BLOCK)) {
        if header.iter().all(|b| *b == 0) {
            break;
        }
        if !checksum_holds(header) {
            return Err(format!("the header at byte {at} of the archive is damaged"));
        }
        let name = next_name.take().unwrap_or_else(|| name_of(header));
        let stated = next_size.take().or_else(|| number(&header[124..136]));
        let size = stated.ok_or_else(|| format!("the size of {name} is no number"))?;
        let start = at + BLOCK;
        let end = start.checked_add(size).filter(|end| *end <= bytes.len());
        let content = &bytes[start..end.ok_or_else(|| format!("it ends within {name}: the archive is cut off"))?];
        match header[156] {
            b'0' | 0 | b'7' if !name.ends_with('/') => files.push((name, content)),
            b'L' => next_name = Some(text(content)),
            b'x' => {
                for (key, value) in records(content) {
                    match key.as_str() {
                        "path" => next_name = Some(value),
                        "size" => next_size = value.parse().ok(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        at = start.saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    Ok(files)
}

/// The sum of the header's bytes, with its own field as spaces, is what the header says.
fn checksum_holds(header: &[u8]) -> bool {
    let sum: usize =
        header.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { usize::from(*b) }).sum();
    number(&header[148..156]) == Some(sum) && sum > 8 * 32
}

/// A number in octal, or in base 256 where the first bit is set.
fn number(field: &[u8]) -> Option<usize> {
    if field.first()? & 0x80 != 0 {
        let first = usize::from(field[0] & 0x7f);
        return field[1..].iter().try_fold(first, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)));
    }
    let digits = field.iter().skip_while(|b| **b == b' ').take_while(|b| !matches!(**b, 0 | b' '));
    digits.into_iter().try_fold(0usize, |n, b| match b {
        b'0'..=b'7' => n.checked_mul(8)?.checked_add(usize::from(b - b'0')),
        _ => None,
    })
}

fn name_of(header: &[u8]) -> String {
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    // GNU's own format keeps times where ustar has the prefix.
    if prefix.is_empty() || &header[257..263] != b"ustar\0" { name } else { format!("{prefix}/{name}") }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`, the length that of the whole record.
fn records(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut records = Vec::new();
    while let Some(space) = bytes.iter().position(|b| *b == b' ') {
        let length = std::str::from_utf8(&bytes[..space]).ok().and_then(|n| n.parse::<usize>().ok());
        let Some(length) = length.filter(|n| (space + 2..=bytes.len()).contains(n)) else { break };
        let record = String::from_utf8_lossy(&bytes[space + 1..length - 1]).into_owned();
        if let Some((key, value)) = record.split_once('=') {
            records.push((key.to_owned(), value.to_owned()));
        }
        bytes = &bytes[length..];
    }
    records
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One entry of an archive, as GNU tar writes it.
    pub fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = vec![0u8; BLOCK];
        header[..name.len().min(100)].copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].copy_from_slice(b"        ");
        let sum: usize = header.iter().map(|b| usize::from(*b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header.extend_from_slice(content);
        header.resize(header.len().next_multiple_of(BLOCK), 0);
        header
    }

    #[test]
    fn files_are_found_under_short_and_long_names() {
        let long = format!("bundle/{}/pods.json", "n".repeat(120));
        let pax = format!("path=bundle/{}/nodes.json\n", "p".repeat(120));
        let pax = format!("{} {pax}", pax.len() + 4);
        assert_eq!(pax.len(), 148, "the record counts its own three digits and space");
        let mut archive = entry("bundle/", b'5', b"");
        archive.extend(entry("bundle/a.json", b'0', b"{}"));
        archive.extend(entry("././@LongLink", b'L', long.as_bytes()));
        archive.extend(entry("bundle/nn", b'0', b"[]"));
        archive.extend(entry("PaxHeaders/x", b'x', pax.as_bytes()));
        archive.extend(entry("bundle/pp", b'0', &[b'x'; 600]));
        archive.extend(vec![0; 2 * BLOCK]);
        assert!(is_tar(&archive));
        let files = files(&archive).unwrap();
        let names: Vec<&str> = files.iter().map(|f| f.0.as_str()).collect();
        assert_eq!(names, ["bundle/a.json", long.as_str(), &format!("bundle/{}/nodes.json", "p".repeat(120))]);
        assert_eq!((files[0].1, files[2].1.len()), (&b"{}"[..], 600));
    }

    #[test]
    fn what_is_damaged_or_cut_off_is_refused() {
        let archive = entry("a.json", b'0', &[b'x'; 600]);
        assert!(files(&archive[..1000]).unwrap_err().contains("it ends within a.json"));
        let mut damaged = archive.clone();
        damaged[3] ^= 1;
        assert!(files(&damaged).unwrap_err().contains("damaged"));
        for end in 0..archive.len() {
            let _ = files(&archive[..end]);
        }
        assert!(!is_tar(b"{}") && !is_tar(&[0; 600]) && !is_tar(&[b' '; 600]));
    }
}
