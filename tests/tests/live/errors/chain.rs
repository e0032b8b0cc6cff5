//! An error's chain of causes, and what always holds of one.

use std::error::Error;

use anyhow::{Result, ensure};

/// Everything that an error says, from its own message to its last cause's.
fn messages(error: &dyn Error) -> Vec<String> {
    let mut messages = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        messages.push(error.to_string());
        next = error.source();
    }
    messages
}

/// Prints the chain, and holds that it has each of the caller's words once, and says nothing twice.
///
/// The words are what the caller gave to the builder, as far as the condition is about it.
pub(crate) fn check(error: &dyn Error, words: &[&str]) -> Result<()> {
    let messages = messages(error);
    let chain = messages.join(": ");
    println!("{chain}");
    for (index, message) in messages.iter().enumerate() {
        ensure!(!message.is_empty(), "an empty message: {messages:?}");
        let others = messages.iter().enumerate();
        for (_, other) in others.filter(|(other, _)| *other != index) {
            ensure!(
                !other.contains(message),
                "said twice: {message:?} in {chain:?}"
            );
        }
    }
    for word in words {
        let times = times(&chain, word);
        ensure!(times == 1, "{word:?} is there {times} times: {chain:?}");
    }
    // The commands' names, and any other longer word, are there once as well.
    for command in chain
        .split_ascii_whitespace()
        .filter(|word| word.starts_with("BPF_"))
    {
        ensure!(
            times(&chain, command) == 1,
            "{command} is there twice: {chain:?}"
        );
    }
    Ok(())
}

/// The same of the refusal of an operation that should have been refused.
pub(crate) fn check_refusal<T: std::fmt::Debug, E: Error + 'static>(
    result: Result<T, E>,
    words: &[&str],
) -> Result<E> {
    match result {
        Ok(value) => anyhow::bail!("it was not refused: {value:?}"),
        Err(error) => {
            check(&error, words)?;
            Ok(error)
        }
    }
}

/// How often words are in a text, as whole words.
fn times(text: &str, words: &str) -> usize {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let found = text.match_indices(words);
    let whole = found.filter(|(at, found)| {
        let (before, after) = (text.get(..*at), text.get(at + found.len()..));
        let before = before.and_then(|before| before.chars().next_back());
        let after = after.and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    });
    whole.count()
}
