package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Moves the documents of one window as the shop's policy says, one rule after the other, and keeps what each rule did to each document.
 * Always a permutation of the window.
 */
final class Policy {
    /** One document on its way. */
    private static final class Entry {
        final RankedDoc doc;
        final WindowDocument read;
        final Map<String, String> effects = new LinkedHashMap<>();
        double value;

        Entry(RankedDoc doc, WindowDocument read) {
            this.doc = doc;
            this.read = read;
        }
    }

    private final PolicyConfig config;
    private final int rankConstant;
    private List<Entry> entries = new ArrayList<>();

    private Policy(PolicyConfig config, int rankConstant) {
        this.config = config;
        this.rankConstant = rankConstant;
    }

    /**
     * Returns the window in the policy's order.
     *
     * @param language of the query, or null
     * @param profile of the shopper, or null
     * @param taste direction of what the shopper likes, or null
     */
    static List<RankedDoc> apply(
        PipelineConfig config,
        List<RankedDoc> ranked,
        List<WindowDocument> documents,
        String query,
        String language,
        Profile profile,
        double[] taste,
        Report report
    ) {
        Policy policy = new Policy(config.policy(), config.rankConstant());
        for (int i = 0; i < ranked.size(); i++) policy.entries.add(new Entry(ranked.get(i), documents.get(i)));
        policy.weigh(profile, taste);
        policy.preferLanguages(language);
        policy.diversify();
        for (PolicyConfig.Cap cap : config.policy().caps()) policy.cap(cap);
        policy.pin(config.policy().pinned(query));
        report.spread(policy.spread());
        List<RankedDoc> ordered = new ArrayList<>();
        for (Entry entry : policy.entries) {
            ordered.add(entry.doc);
            if (!entry.effects.isEmpty()) report.effects(entry.doc.candidate().doc(), entry.effects);
        }
        return ordered;
    }

    private void weigh(Profile profile, double[] taste) {
        for (int i = 0; i < entries.size(); i++) {
            Entry entry = entries.get(i);
            entry.value = 1.0 / (rankConstant + i + 1);
            for (PolicyConfig.Boost boost : config.boosts()) {
                if (entry.read.rules().contains(boost.name())) entry.value *= noted(entry, boost.name(), boost.factor());
            }
            if (profile == null) continue;
            double affinity = profile.affinity(entry.read, config.personal(), taste);
            if (affinity != 0) entry.value *= noted(entry, "personal", Math.pow(1 + config.personal().strength(), affinity));
        }
        moved("weights", sorted(Comparator.comparingDouble((Entry entry) -> entry.value).reversed()));
    }

    private static double noted(Entry entry, String rule, double factor) {
        entry.effects.put(rule, "factor " + Math.round(factor * 1000) / 1000.0);
        return factor;
    }

    private void preferLanguages(String language) {
        if (config.languages().isEmpty()) return;
        List<String> order = config.languages().stream().map(l -> PolicyConfig.QUERY_LANGUAGE.equals(l) ? String.valueOf(language) : l).toList();
        moved("language", sorted(Comparator.comparingInt(entry -> place(order, entry.read.values(config.languageField())))));
    }

    private static int place(List<String> order, List<String> languages) {
        int best = order.size();
        for (String language : languages) if (order.contains(language)) best = Math.min(best, order.indexOf(language));
        return best;
    }

    /** Source: Carbonell and Goldstein, The Use of MMR, 1998, doi:10.1145/290941.291025 */
    private void diversify() {
        PolicyConfig.Mmr mmr = config.mmr();
        if (mmr == null) return;
        List<Entry> left = new ArrayList<>(entries.subList(0, Math.min(mmr.depth(), entries.size())));
        List<Entry> rest = entries.subList(left.size(), entries.size());
        Map<Entry, double[]> vectors = new HashMap<>();
        left.forEach(entry -> vectors.put(entry, entry.read.vector(mmr.field())));
        Map<Entry, Double> relevance = new HashMap<>();
        for (int i = 0; i < left.size(); i++) relevance.put(left.get(i), 1 - (double) i / left.size());
        Map<Entry, Double> nearest = new HashMap<>();
        List<Entry> chosen = new ArrayList<>();
        while (!left.isEmpty()) {
            Entry best = null;
            double highest = Double.NEGATIVE_INFINITY;
            for (Entry entry : left) {
                double value = mmr.lambda() * relevance.get(entry) - (1 - mmr.lambda()) * nearest.getOrDefault(entry, 0.0);
                if (value <= highest) continue;
                highest = value;
                best = entry;
            }
            left.remove(best);
            chosen.add(best);
            for (Entry entry : left) nearest.merge(entry, Vectors.dot(vectors.get(entry), vectors.get(best)), Math::max);
        }
        chosen.addAll(rest);
        moved("diversity", chosen);
    }

    /** Fills each page-sized block with what the cap allows, best first; what is too much waits for the next block. */
    private void cap(PolicyConfig.Cap cap) {
        List<Entry> waiting = new ArrayList<>(entries);
        List<Entry> ordered = new ArrayList<>();
        while (!waiting.isEmpty()) {
            Map<String, Integer> shown = new HashMap<>();
            List<Entry> block = new ArrayList<>();
            for (Entry entry : waiting) {
                if (block.size() == cap.per()) break;
                List<String> values = entry.read.values(cap.field());
                if (values.stream().anyMatch(value -> shown.getOrDefault(value, 0) >= cap.max())) continue;
                values.forEach(value -> shown.merge(value, 1, Integer::sum));
                block.add(entry);
            }
            boolean full = block.size() == Math.min(cap.per(), waiting.size());
            waiting.removeAll(block);
            ordered.addAll(block);
            if (full) continue;
            ordered.addAll(waiting); // nothing else is left: the order as it was
            waiting.clear();
        }
        moved("cap " + cap.field(), ordered);
    }

    private void pin(List<String> ids) {
        if (ids.isEmpty()) return;
        moved("pin", sorted(Comparator.comparingInt(entry -> entry.read.isOneOf(ids) ? ids.indexOf(entry.read.id()) : ids.size())));
    }

    private List<Entry> sorted(Comparator<Entry> order) {
        List<Entry> copy = new ArrayList<>(entries);
        copy.sort(order); // stable
        return copy;
    }

    private void moved(String rule, List<Entry> ordered) {
        Map<Entry, Integer> before = new HashMap<>();
        for (int i = 0; i < entries.size(); i++) before.put(entries.get(i), i);
        for (int i = 0; i < ordered.size(); i++) {
            int was = before.get(ordered.get(i));
            if (was != i) ordered.get(i).effects.merge(rule, "rank " + (was + 1) + " to " + (i + 1), (a, b) -> a + ", " + b);
        }
        entries = ordered;
    }

    /** For each field that is told of, over the first page of ten: entropy of its values in bits, and how many different ones there are. */
    private Map<String, Object> spread() {
        Map<String, Object> spread = new LinkedHashMap<>();
        for (String field : config.toldFields()) {
            Map<String, Integer> counts = new HashMap<>();
            for (Entry entry : entries.subList(0, Math.min(10, entries.size()))) entry.read.values(field).forEach(v -> counts.merge(v, 1, Integer::sum));
            double total = counts.values().stream().mapToInt(Integer::intValue).sum();
            double entropy = counts.values().stream().mapToDouble(count -> -count / total * Math.log(count / total) / Math.log(2)).sum();
            spread.put(field, Map.of("entropy", entropy, "values", counts.size()));
        }
        return spread;
    }
}
