package org.polyrank.opensearch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/**
 * The reranking stage, as the pipeline body says.
 *
 * @param window how many of the fused candidates the cross-encoder reads
 * @param weight share of the cross-encoder in the final score, 0 to 1
 * @param documentFields name in the model's template to source paths in order of preference
 * @param chunk how many documents a call sends; a call that comes too late loses its own documents alone
 * @param adaptive whether the window shrinks to what the service has lately managed in the time that is left
 * @param topK how many the reranked order places; the rest of the window follows in fused order
 * @param cache whether the service may use scores that it gave before
 * @param skip for which queries reranking was measured not to help
 * @param calibration what turns the service's scores into probabilities
 * @param model name or fingerprint of the bundle that is to read, or null for the service's choice
 * @param business a number of the shop's own in the blend, or null
 */
record RerankConfig(
    int window,
    double weight,
    Blend.Normalization normalization,
    Map<String, List<String>> documentFields,
    int chunk,
    boolean adaptive,
    int topK,
    boolean cache,
    Calibration calibration,
    QueryGroups skip,
    String model,
    BusinessScore business
) {
    /** Reads the section `rerank`; null when there is none. */
    static RerankConfig read(ConfigReader parent, int fusedWindow) {
        ConfigReader reader = parent.object("rerank");
        if (reader == null) return null;
        int window = reader.integer("window", Math.min(50, fusedWindow), 1, fusedWindow);
        double weight = reader.number("weight", 0.5, 0.0, 1.0);
        String normalization = reader.oneOf("normalization", "min_max", List.of("min_max", "none", "rrf"));
        ConfigReader fields = reader.object("document_fields");
        if (fields == null) throw reader.error("document_fields", "is missing: write {\"title\": [\"title.en\", \"title\"]}");
        Map<String, List<String>> documentFields = new LinkedHashMap<>();
        fields.remaining().forEach((name, paths) -> documentFields.put(name, fields.asStrings(name, paths)));
        if (documentFields.isEmpty()) throw reader.error("document_fields", "is empty: write {\"title\": [\"title.en\", \"title\"]}");
        RerankConfig config = new RerankConfig(
            window,
            weight,
            Blend.Normalization.valueOf(normalization.toUpperCase(Locale.ROOT)),
            documentFields,
            reader.integer("chunk", window, 1, window),
            reader.flag("adaptive", false),
            reader.integer("top_k", window, 1, window),
            reader.flag("cache", true),
            Calibration.read(reader),
            skip(reader),
            reader.string("model", null),
            BusinessScore.read(reader)
        );
        reader.finish();
        return config;
    }

    private static QueryGroups skip(ConfigReader parent) {
        ConfigReader reader = parent.object("skip");
        if (reader == null) return QueryGroups.NONE;
        QueryGroups skip = QueryGroups.read(reader);
        reader.finish();
        return skip;
    }

    /** Every source path of `documentFields`, and that of the business score, each once. */
    List<String> sourcePaths() {
        TreeSet<String> paths = new TreeSet<>();
        documentFields.values().forEach(paths::addAll);
        if (business != null) paths.add(business.field());
        return List.copyOf(paths);
    }
}
