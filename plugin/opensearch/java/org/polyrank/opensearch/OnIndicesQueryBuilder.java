package org.polyrank.opensearch;

import java.io.IOException;
import java.util.List;
import java.util.Objects;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.MatchNoDocsQuery;
import org.apache.lucene.search.Query;
import org.opensearch.core.common.ParsingException;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.index.query.AbstractQueryBuilder;
import org.opensearch.index.query.MatchNoneQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilderVisitor;
import org.opensearch.index.query.QueryRewriteContext;
import org.opensearch.index.query.QueryShardContext;

/**
 * `{"polyrank_on_indices": {"indices": [...], "query": {...}}}`: a query for some indices of an alias. The others never build it, so a
 * vector of the wrong dimension does not fail there, and the alias keeps its filter and routing, which naming the indices would lose.
 */
public final class OnIndicesQueryBuilder extends AbstractQueryBuilder<OnIndicesQueryBuilder> {
    static final String NAME = "polyrank_on_indices";

    private final List<String> indices;
    private final QueryBuilder query;

    OnIndicesQueryBuilder(List<String> indices, QueryBuilder query) {
        this.indices = List.copyOf(indices);
        this.query = query;
    }

    OnIndicesQueryBuilder(StreamInput in) throws IOException {
        super(in);
        indices = in.readStringList();
        query = in.readNamedWriteable(QueryBuilder.class);
    }

    @Override
    protected void doWriteTo(StreamOutput out) throws IOException {
        out.writeStringCollection(indices);
        out.writeNamedWriteable(query);
    }

    @Override
    protected void doXContent(XContentBuilder builder, Params params) throws IOException {
        builder.startObject(NAME).field("indices", indices).field("query");
        query.toXContent(builder, params);
        printBoostAndQueryName(builder);
        builder.endObject();
    }

    static OnIndicesQueryBuilder fromXContent(XContentParser parser) throws IOException {
        List<String> indices = null;
        QueryBuilder query = null;
        float boost = DEFAULT_BOOST;
        String name = null;
        while (parser.nextToken() != XContentParser.Token.END_OBJECT) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "indices" -> indices = parser.list().stream().map(String::valueOf).toList();
                case "query" -> query = parseInnerQueryBuilder(parser);
                case "boost" -> boost = parser.floatValue();
                case "_name" -> name = parser.text();
                default -> throw new ParsingException(parser.getTokenLocation(), "[" + NAME + "] does not know [" + key + "]");
            }
        }
        if (indices == null || query == null) throw new ParsingException(parser.getTokenLocation(), "[" + NAME + "] needs indices and query");
        return new OnIndicesQueryBuilder(indices, query).boost(boost).queryName(name);
    }

    @Override
    protected QueryBuilder doRewrite(QueryRewriteContext context) throws IOException {
        QueryShardContext shard = context.convertToShardContext();
        if (shard != null && !indices.contains(shard.index().getName())) return new MatchNoneQueryBuilder();
        QueryBuilder rewritten = query.rewrite(context);
        return rewritten == query ? this : new OnIndicesQueryBuilder(indices, rewritten);
    }

    @Override
    protected Query doToQuery(QueryShardContext context) throws IOException {
        if (!indices.contains(context.index().getName())) return new MatchNoDocsQuery("not one of " + indices);
        return query.toQuery(context);
    }

    @Override
    public void visit(QueryBuilderVisitor visitor) {
        visitor.accept(this);
        query.visit(visitor.getChildVisitor(BooleanClause.Occur.MUST));
    }

    @Override
    protected boolean doEquals(OnIndicesQueryBuilder other) {
        return indices.equals(other.indices) && query.equals(other.query);
    }

    @Override
    protected int doHashCode() {
        return Objects.hash(indices, query);
    }

    @Override
    public String getWriteableName() {
        return NAME;
    }
}
