package org.polyrank.opensearch;

/** A document under an alias: two indices may hold the same id. */
record DocKey(String index, String id) implements Comparable<DocKey> {
    @Override
    public int compareTo(DocKey other) {
        int byIndex = index.compareTo(other.index);
        return byIndex != 0 ? byIndex : id.compareTo(other.id);
    }
}
