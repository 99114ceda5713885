package org.polyrank.opensearch;

import java.util.List;
import java.util.Locale;

/**
 * What becomes of a query that a model does not read: it is in none of its languages and was not translated into one.
 *
 * @param minRead the share of a query that a model must read, 0 to 1; a query of which it reads less is unread
 * @param knnFactor what the weights of the knn retrievers are multiplied by then, 0 to 1
 * @param rerank whether such a query is reranked all the same
 */
record UnreadConfig(double minRead, double knnFactor, boolean rerank) {
    /** A translation is of more use than none however few words it has, see docs/pipeline.md; a mere nothing is not one. */
    private static final double MIN_READ = 0.1;
    /** Less than what is best on average, so that no language is worse than BM25: `bench.unread`, docs/pipeline.md. */
    private static final double KNN_FACTOR = 0.15;

    /** Reads the section `unread`; each key that is left out has its default. */
    static UnreadConfig read(ConfigReader parent) {
        ConfigReader reader = parent.object("unread");
        if (reader == null) return new UnreadConfig(MIN_READ, KNN_FACTOR, false);
        UnreadConfig config = new UnreadConfig(
            reader.number("min_read", MIN_READ, 0.0, 1.0),
            reader.number("knn_factor", KNN_FACTOR, 0.0, 1.0),
            reader.flag("rerank", false)
        );
        reader.finish();
        return config;
    }

    /** Whether the embedder does not read this query; a service that does not tell reads everything. */
    boolean byEmbedder(Understanding understanding) {
        return understanding != null && understanding.readByEmbedder() < minRead;
    }

    /** Why a query is not reranked, or null. */
    String rerankSkipped(Understanding understanding) {
        if (rerank || understanding == null || understanding.readByReranker() >= minRead) return null;
        return String.format(Locale.ROOT, "the reranker reads %.0f %% of the query", 100 * understanding.readByReranker());
    }

    /** The rankings with less weight for those of vectors. */
    List<Ranking> on(List<Ranking> rankings, PipelineConfig config) {
        return rankings.stream()
            .map(one -> config.isKnn(one.retriever()) ? new Ranking(one.retriever(), knnFactor * one.weight(), one.hits()) : one)
            .toList();
    }

    /** What it does to the vectors' weights, in words. */
    String told(Understanding understanding) {
        return String.format(Locale.ROOT, "the embedder reads %.0f %% of the query: knn weights times %s", 100 * understanding.readByEmbedder(), knnFactor);
    }
}
