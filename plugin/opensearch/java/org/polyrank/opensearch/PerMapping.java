package org.polyrank.opensearch;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.opensearch.cluster.metadata.IndexMetadata;

/** What is read from an index's mapping, kept: parsing a mapping costs more than a search, so it is done once per mapping version. */
final class PerMapping<T> {
    private static final int MAX_CACHED = 10_000;

    private record Cached<T>(long mappingVersion, T value) {}

    private final Function<IndexMetadata, T> read;
    private final Map<String, Cached<T>> cache = new ConcurrentHashMap<>();

    PerMapping(Function<IndexMetadata, T> read) {
        this.read = read;
    }

    T of(IndexMetadata index) {
        if (cache.size() > MAX_CACHED) cache.clear();
        return cache.compute(
            index.getIndexUUID(),
            (uuid, cached) -> cached != null && cached.mappingVersion() == index.getMappingVersion()
                ? cached
                : new Cached<>(index.getMappingVersion(), read.apply(index))
        ).value();
    }
}
