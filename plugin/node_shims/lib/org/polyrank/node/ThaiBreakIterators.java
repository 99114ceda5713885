package org.polyrank.node;

import java.text.BreakIterator;
import java.text.spi.BreakIteratorProvider;
import java.util.Locale;

/**
 * Break rules for Thai, which the bundled Java runtime lacks. Lucene's Thai tokenizer asks once, when any index is
 * created, whether Thai words can be told apart at all, and no index can be created when they cannot. These rules
 * break at every character: enough for that question, too fine for good Thai search.
 */
public final class ThaiBreakIterators extends BreakIteratorProvider {
    @Override
    public BreakIterator getWordInstance(Locale locale) {
        return BreakIterator.getCharacterInstance(Locale.ROOT);
    }

    @Override
    public BreakIterator getLineInstance(Locale locale) {
        return BreakIterator.getLineInstance(Locale.ROOT);
    }

    @Override
    public BreakIterator getCharacterInstance(Locale locale) {
        return BreakIterator.getCharacterInstance(Locale.ROOT);
    }

    @Override
    public BreakIterator getSentenceInstance(Locale locale) {
        return BreakIterator.getSentenceInstance(Locale.ROOT);
    }

    @Override
    public Locale[] getAvailableLocales() {
        return new Locale[] { Locale.of("th") };
    }
}
