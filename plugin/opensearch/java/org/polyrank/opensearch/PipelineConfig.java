package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.opensearch.core.xcontent.NamedXContentRegistry;

/**
 * The body of `hybrid_rerank`, checked. docs/pipeline.md explains every key.
 *
 * @param vocabulary name of the catalogue statistics that choose among translations, or null
 * @param queryPipeline the search pipeline that the caller's own query runs through, or null
 * @param overrides weights for some queries; the first that names a query counts
 * @param unread what becomes of queries that the models do not read
 * @param rerank null when the pipeline does not rerank
 */
record PipelineConfig(
    List<String> languages,
    String vocabulary,
    String queryPipeline,
    List<RetrieverConfig> retrievers,
    AttributesConfig attributes,
    int window,
    Fusion.Technique technique,
    int rankConstant,
    List<FusionWeights> overrides,
    UnreadConfig unread,
    RerankConfig rerank,
    PolicyConfig policy,
    int deadlineMs
) {
    static final int MAX_WINDOW = 1_000;
    static final int MAX_DEADLINE_MS = 60_000;

    /** Reads and empties `config`; throws a configuration error that names the key. */
    static PipelineConfig read(String tag, Map<String, Object> config, NamedXContentRegistry registry) {
        ConfigReader reader = new ConfigReader(tag, "", config);
        List<String> languages = reader.strings("languages");
        String vocabulary = reader.string("vocabulary", null);
        String queryPipeline = reader.string("query_pipeline", null);
        int window = reader.integer("window", 100, 1, MAX_WINDOW);
        int deadlineMs = reader.integer("deadline_ms", 500, 1, MAX_DEADLINE_MS);
        List<?> listed = reader.list("retrievers");
        List<RetrieverConfig> retrievers = listed == null
            ? List.of(new RetrieverConfig.Lexical(new RetrieverConfig.Shared(RetrieverConfig.Lexical.NAME, 1, window, null)))
            : new RetrieverReader(reader, window, languages, registry).read(listed);
        Fusion.Technique technique = Fusion.Technique.RRF;
        int rankConstant = Fusion.DEFAULT_RANK_CONSTANT;
        List<FusionWeights> overrides = List.of();
        ConfigReader combination = reader.object("combination");
        if (combination != null) {
            String name = combination.oneOf("technique", "rrf", List.of("rrf", "min_max", "z_score", "convex"));
            technique = Fusion.Technique.valueOf(name.toUpperCase(Locale.ROOT));
            rankConstant = combination.integer("rank_constant", rankConstant, 1, 10_000);
            overrides = FusionWeights.read(combination, retrievers);
            combination.finish();
        }
        AttributesConfig attributes = AttributesConfig.read(reader);
        if (attributes.use() != AttributesConfig.Use.OFF && queryPipeline != null) {
            throw reader.error("attributes", "does not go with [query_pipeline], whose query is left as it is: leave one of them out");
        }
        UnreadConfig unread = UnreadConfig.read(reader);
        RerankConfig rerank = RerankConfig.read(reader, window);
        PolicyConfig policy = PolicyConfig.read(reader, window, registry);
        if (listed == null && rerank == null && policy == null) {
            throw reader.error("retrievers", "is missing: write [{\"lexical\": {}}, {\"knn\": {\"field\": \"embedding\"}}], or a rerank section");
        }
        reader.finish();
        return new PipelineConfig(
            languages,
            vocabulary,
            queryPipeline,
            retrievers,
            attributes,
            window,
            technique,
            rankConstant,
            overrides,
            unread,
            rerank,
            policy,
            deadlineMs
        );
    }

    /** The knn retrievers alone. */
    List<RetrieverConfig.Knn> knn() {
        List<RetrieverConfig.Knn> found = new ArrayList<>(1);
        for (RetrieverConfig retriever : retrievers) if (retriever instanceof RetrieverConfig.Knn knn) found.add(knn);
        return found;
    }

    boolean isKnn(String key) {
        return knn().stream().anyMatch(retriever -> retriever.key().equals(key));
    }

    /** The caller's own query as a part of the fusion, or null; it runs in any case. */
    RetrieverConfig lexicalRetriever() {
        for (RetrieverConfig retriever : retrievers) if (retriever instanceof RetrieverConfig.Lexical) return retriever;
        return null;
    }

    /** The kinds of expansion that the service has to look for. */
    List<String> expansions() {
        return retrievers.stream()
            .flatMap(retriever -> retriever instanceof RetrieverConfig.Expanded expanded ? expanded.kinds().stream() : Stream.empty())
            .distinct()
            .toList();
    }

    /** Whether the service has to translate. */
    boolean translates() {
        return retrievers.stream().anyMatch(RetrieverConfig.Translated.class::isInstance);
    }
}
