package org.polyrank.opensearch;

import java.util.List;
import java.util.regex.Pattern;

/** Sorts query texts by their shape: what helps a question can harm the number of a part. */
final class QueryClass {
    static final List<String> NAMES = List.of("code", "short", "medium", "long");
    /** A word with a digit and a letter, or a number of four digits and more. */
    private static final Pattern CODE = Pattern.compile("(?U)(?=\\S*\\d)(?=\\S*\\p{L})\\S{4,}|\\d{4,}");

    private static final Pattern SPACES = Pattern.compile("\\s+");

    private QueryClass() {}

    /** `code` when a word looks like a model number; else `short` (one word or two), `medium` (up to five), `long`. */
    static String of(String text) {
        String[] words = SPACES.split(text.strip());
        for (String word : words) if (CODE.matcher(word).matches()) return "code";
        return words.length <= 2 ? "short" : words.length <= 5 ? "medium" : "long";
    }
}
