package org.polyrank.opensearch;

import java.util.List;
import java.util.Map;

/**
 * What a request says about the shopper. It lives as long as the search does and is written nowhere.
 *
 * @param liked ids of products, likewise `disliked`
 * @param affinities field to value to affinity, -1 to 1
 * @param price the price that suits, NaN when none is named; `spread` how far from it is still near
 */
record Profile(List<String> liked, List<String> disliked, Map<String, Map<String, Double>> affinities, double price, double spread) {
    static final List<String> KEYS = List.of("liked", "disliked", "affinities", "price");

    /** Reads a checked section; throws IllegalArgumentException, which says what is wrong with it. */
    static Profile read(Object section) {
        if (!(section instanceof Map<?, ?> map)) throw new IllegalArgumentException("must be an object");
        for (Object key : map.keySet()) if (!KEYS.contains(key)) throw new IllegalArgumentException("knows no [" + key + "]: known keys are " + KEYS);
        Map<String, Map<String, Double>> affinities = new java.util.HashMap<>();
        if (map.get("affinities") != null) {
            if (!(map.get("affinities") instanceof Map<?, ?> fields)) throw new IllegalArgumentException("affinities must be an object");
            fields.forEach((field, values) -> affinities.put(String.valueOf(field), affinities(values)));
        }
        double price = Double.NaN;
        double spread = 1;
        if (map.get("price") != null) {
            if (!(map.get("price") instanceof Map<?, ?> around && around.get("around") instanceof Number centre)) {
                throw new IllegalArgumentException("price must be like {\"around\": 40, \"spread\": 20}");
            }
            price = centre.doubleValue();
            spread = around.get("spread") instanceof Number width && width.doubleValue() > 0 ? width.doubleValue() : Math.max(1, price / 2);
        }
        return new Profile(ids(map.get("liked"), "liked"), ids(map.get("disliked"), "disliked"), affinities, price, spread);
    }

    private static Map<String, Double> affinities(Object values) {
        if (!(values instanceof Map<?, ?> map)) throw new IllegalArgumentException("affinities must be like {\"brand\": {\"Flos\": 0.5}}");
        Map<String, Double> read = new java.util.HashMap<>();
        map.forEach((value, affinity) -> {
            if (!(affinity instanceof Number number) || Math.abs(number.doubleValue()) > 1) {
                throw new IllegalArgumentException("affinities must be numbers from -1 to 1");
            }
            read.put(String.valueOf(value), number.doubleValue());
        });
        return read;
    }

    private static List<String> ids(Object list, String key) {
        if (list == null) return List.of();
        if (!(list instanceof List<?> items) || items.size() > 100) throw new IllegalArgumentException(key + " must be a list of at most 100 ids");
        return items.stream().map(String::valueOf).toList();
    }

    /** How well a document suits, -1 to 1: the mean of what can be said. `taste` is the direction of the liked products' vectors, or null. */
    double affinity(WindowDocument document, PolicyConfig.Personal personal, double[] taste) {
        double sum = 0;
        int said = 0;
        for (String field : personal.fields()) {
            Map<String, Double> values = affinities.get(field);
            if (values == null) continue;
            said++;
            for (String value : document.values(field)) sum += values.getOrDefault(value, 0.0);
        }
        if (personal.priceField() != null && !Double.isNaN(price)) {
            said++;
            double away = Math.abs(document.number(personal.priceField()) - price) / spread;
            if (!Double.isNaN(away)) sum += Math.max(-1, 1 - away);
        }
        if (taste != null) {
            said++;
            sum += Vectors.dot(document.vector(personal.vectorField()), taste);
        }
        return said == 0 ? 0 : Math.max(-1, Math.min(1, sum / said));
    }
}
