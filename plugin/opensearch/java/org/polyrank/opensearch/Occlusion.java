package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which fields and words of a document carry the cross-encoder's score: each is left out in turn, and what the score loses is its effect.
 * Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2014, arXiv:1311.2901 (there of image regions)
 */
final class Occlusion {
    /** Variants of all documents together: what a service reads in one call. */
    private static final int MAX_VARIANTS = 400;

    /** A document without one of its parts; `word` null when the whole field is left out. */
    private record Variant(int document, String field, String word) {}

    private final List<Variant> variants = new ArrayList<>();
    private final List<Map<String, Object>> texts = new ArrayList<>();

    /** `documents`: what the cross-encoder reads of each; an empty one has nothing to leave out. */
    Occlusion(List<Map<String, Object>> documents) {
        for (int i = 0; i < documents.size(); i++) addFields(i, documents.get(i));
        for (int i = 0; i < documents.size(); i++) addWords(i, documents.get(i), MAX_VARIANTS / Math.max(1, documents.size()));
    }

    private void addFields(int number, Map<String, Object> document) {
        if (document.size() < 2) return; // without its only field there is nothing to read
        for (String field : document.keySet()) {
            Map<String, Object> without = new LinkedHashMap<>(document);
            without.remove(field);
            add(new Variant(number, field, null), without);
        }
    }

    private void addWords(int number, Map<String, Object> document, int limit) {
        int added = 0;
        for (Map.Entry<String, Object> entry : document.entrySet()) {
            String[] words = String.valueOf(entry.getValue()).split("\\s+");
            for (int i = 0; i < words.length && added < limit && words.length > 1; i++, added++) {
                List<String> rest = new ArrayList<>(List.of(words));
                rest.remove(i);
                Map<String, Object> without = new LinkedHashMap<>(document);
                without.put(entry.getKey(), String.join(" ", rest));
                add(new Variant(number, entry.getKey(), words[i]), without);
            }
        }
    }

    private void add(Variant variant, Map<String, Object> text) {
        if (variants.size() >= MAX_VARIANTS) return;
        variants.add(variant);
        texts.add(text);
    }

    /** What the service is to score. */
    List<Map<String, Object>> texts() {
        return texts;
    }

    /** Per document `fields` (name to effect) and `words` (field, word, effect; in reading order). `whole`: each document's own score. */
    List<Map<String, Object>> effects(double[] whole, double[] scores) {
        List<Map<String, Object>> effects = new ArrayList<>();
        for (int i = 0; i < whole.length; i++) {
            Map<String, Object> fields = new LinkedHashMap<>();
            List<Object> words = new ArrayList<>();
            for (int j = 0; j < variants.size(); j++) {
                Variant variant = variants.get(j);
                if (variant.document() != i) continue;
                double effect = whole[i] - scores[j];
                if (variant.word() == null) fields.put(variant.field(), effect);
                else words.add(Map.of("field", variant.field(), "word", variant.word(), "effect", effect));
            }
            effects.add(Map.of("fields", fields, "words", words));
        }
        return effects;
    }
}
