package org.polyrank.opensearch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.DisjunctionMaxQuery;
import org.apache.lucene.search.MatchNoDocsQuery;
import org.apache.lucene.search.Query;
import org.opensearch.core.common.ParsingException;
import org.opensearch.core.common.Strings;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.common.io.stream.Writeable;
import org.opensearch.core.xcontent.MediaTypeRegistry;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.index.query.AbstractQueryBuilder;
import org.opensearch.index.query.InnerHitContextBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilderVisitor;
import org.opensearch.index.query.QueryRewriteContext;
import org.opensearch.index.query.QueryShardContext;

/**
 * `{"ranked_docs": {"docs": [{"_index": "i", "_id": "1", "score": 3.0}], "query": {...}, "only": false}}`: the listed documents with the scores given,
 * or what the query finds with its own scores; the higher score wins. With listed scores above the query's highest, the listed documents
 * come first in their order and the query's other hits follow, and paging, aggregations and highlighting see one ordinary query.
 */
public final class RankedDocsQueryBuilder extends AbstractQueryBuilder<RankedDocsQueryBuilder> {
    static final String NAME = "ranked_docs";
    /** What a query's text holds when its hits get names, inner hits or slots, or may. `error`: it could not be written. */
    private static final List<String> NAMING = List.of("\"_name\"", "\"inner_hits\"", "\"percolate\"", "\"wrapper\"", "\"error\"");

    /**
     * A document and the score it gets.
     *
     * @param index the name of its index, not of an alias
     * @param id its `_id`, which an update does not change; null when it is known by its key alone
     * @param shard -1 when it is known by its id alone
     * @param at where it was when it was found, see {@link Ranking.Hit}: there it is looked for first
     */
    record Doc(String index, String id, int shard, long seqNo, float score, int at) implements Writeable {
        Doc(StreamInput in) throws IOException {
            this(in.readString(), in.readOptionalString(), in.readInt(), in.readZLong(), in.readFloat(), in.readInt());
        }

        /** `id` is null when it has not been read. */
        static Doc of(DocKey key, int at, String id, float score) {
            return new Doc(key.index(), id, key.shard(), key.seqNo(), score, at);
        }

        @Override
        public void writeTo(StreamOutput out) throws IOException {
            out.writeString(index);
            out.writeOptionalString(id);
            out.writeInt(shard);
            out.writeZLong(seqNo);
            out.writeFloat(score);
            out.writeInt(at);
        }
    }

    private final List<Doc> docs;
    private final QueryBuilder query;
    private final boolean only;

    /**
     * @param query may be null: then the listed documents alone match
     * @param only the listed documents alone match, and the query is there for the names and inner hits in it
     */
    RankedDocsQueryBuilder(List<Doc> docs, QueryBuilder query, boolean only) {
        this.docs = List.copyOf(docs);
        this.query = query;
        this.only = only;
    }

    /**
     * The query when hits get names, inner hits or slots of it, or may, else null: by its text, because not every query shows its parts to a
     * visitor; a wrapped one cannot be read, nor one that fails to be written.
     */
    static QueryBuilder naming(QueryBuilder query) {
        if (query == null) return null;
        try {
            String text = Strings.toString(MediaTypeRegistry.JSON, query);
            return NAMING.stream().anyMatch(text::contains) ? query : null;
        } catch (RuntimeException e) {
            return query;
        }
    }

    RankedDocsQueryBuilder(StreamInput in) throws IOException {
        super(in);
        docs = in.readList(Doc::new);
        query = in.readOptionalNamedWriteable(QueryBuilder.class);
        only = in.readBoolean();
    }

    @Override
    protected void doWriteTo(StreamOutput out) throws IOException {
        out.writeList(docs);
        out.writeOptionalNamedWriteable(query);
        out.writeBoolean(only);
    }

    @Override
    protected void doXContent(XContentBuilder builder, Params params) throws IOException {
        builder.startObject(NAME).startArray("docs");
        for (Doc doc : docs) {
            builder.startObject().field("_index", doc.index());
            if (doc.id() != null) builder.field("_id", doc.id());
            else builder.field("_shard", doc.shard()).field("_seq_no", doc.seqNo());
            builder.field("score", doc.score()).endObject();
        }
        builder.endArray();
        if (query != null) {
            builder.field("query");
            query.toXContent(builder, params);
        }
        if (only) builder.field("only", true);
        printBoostAndQueryName(builder);
        builder.endObject();
    }

    static RankedDocsQueryBuilder fromXContent(XContentParser parser) throws IOException {
        List<Doc> docs = new ArrayList<>();
        QueryBuilder query = null;
        boolean only = false;
        float boost = DEFAULT_BOOST;
        String name = null;
        while (parser.nextToken() != XContentParser.Token.END_OBJECT) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "docs" -> {
                    for (Object item : parser.list()) docs.add(doc(parser, item));
                }
                case "query" -> query = parseInnerQueryBuilder(parser);
                case "only" -> only = parser.booleanValue();
                case "boost" -> boost = parser.floatValue();
                case "_name" -> name = parser.text();
                default -> throw new ParsingException(parser.getTokenLocation(), "[" + NAME + "] does not know [" + key + "]");
            }
        }
        return new RankedDocsQueryBuilder(docs, query, only).boost(boost).queryName(name);
    }

    private static Doc doc(XContentParser parser, Object item) {
        if (item instanceof Map<?, ?> map
            && map.get("_index") instanceof String index
            && map.get("score") instanceof Number score
            && score.floatValue() >= 0
            && Float.isFinite(score.floatValue())) {
            if (map.get("_id") instanceof String id) return new Doc(index, id, -1, -1, score.floatValue(), -1);
            if (map.get("_shard") instanceof Integer shard && shard >= 0 && map.get("_seq_no") instanceof Number seqNo) {
                return new Doc(index, null, shard, seqNo.longValue(), score.floatValue(), -1);
            }
        }
        throw new ParsingException(
            parser.getTokenLocation(),
            "[" + NAME + "] docs holds [" + item + "]: write {\"_index\": \"name\", \"_id\": \"1\", \"score\": 3.0}, the score 0 or more"
        );
    }

    @Override
    protected QueryBuilder doRewrite(QueryRewriteContext context) throws IOException {
        if (query == null) return this;
        QueryBuilder rewritten = query.rewrite(context);
        return rewritten == query ? this : new RankedDocsQueryBuilder(docs, rewritten, only);
    }

    @Override
    protected Query doToQuery(QueryShardContext context) throws IOException {
        String index = context.index().getName();
        List<Doc> own = new ArrayList<>();
        for (Doc doc : docs) if (doc.index().equals(index) && (doc.shard() < 0 || doc.shard() == context.getShardId())) own.add(doc);
        Query ranked = own.isEmpty() ? new MatchNoDocsQuery("no ranked documents in " + index) : new RankedDocsQuery(own);
        if (query == null) return ranked;
        Query others = query.toQuery(context); // also registers its names
        return only ? ranked : new DisjunctionMaxQuery(List.of(ranked, others), 0f);
    }

    @Override
    protected void extractInnerHitBuilders(Map<String, InnerHitContextBuilder> innerHits) {
        if (query != null) InnerHitContextBuilder.extractInnerHits(query, innerHits);
    }

    @Override
    public void visit(QueryBuilderVisitor visitor) {
        visitor.accept(this);
        if (query != null) query.visit(visitor.getChildVisitor(BooleanClause.Occur.SHOULD));
    }

    @Override
    protected boolean doEquals(RankedDocsQueryBuilder other) {
        return docs.equals(other.docs) && Objects.equals(query, other.query) && only == other.only;
    }

    @Override
    protected int doHashCode() {
        return Objects.hash(docs, query, only);
    }

    @Override
    public String getWriteableName() {
        return NAME;
    }
}
