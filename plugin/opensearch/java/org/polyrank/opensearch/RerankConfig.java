package org.polyrank.opensearch;

import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * The reranking stage, as the pipeline body says.
 *
 * @param window how many of the fused candidates the cross-encoder reads
 * @param weight share of the cross-encoder in the final score, 0 to 1
 * @param documentFields name in the model's template to source paths in order of preference
 */
record RerankConfig(int window, double weight, Blend.Normalization normalization, Map<String, List<String>> documentFields) {
    /** Every source path of `documentFields`, each once. */
    List<String> sourcePaths() {
        TreeSet<String> paths = new TreeSet<>();
        documentFields.values().forEach(paths::addAll);
        return List.copyOf(paths);
    }
}
