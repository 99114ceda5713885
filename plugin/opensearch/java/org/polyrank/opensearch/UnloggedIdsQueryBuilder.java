package org.polyrank.opensearch;

import java.io.IOException;
import java.util.List;
import org.apache.lucene.search.Query;
import org.opensearch.core.common.ParsingException;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.index.query.AbstractQueryBuilder;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.index.query.QueryShardContext;

/** An ids query that slow logs write without the ids: which products a shopper likes is nobody's business. Polyrank's own searches use it. */
final class UnloggedIdsQueryBuilder extends AbstractQueryBuilder<UnloggedIdsQueryBuilder> {
    static final String NAME = "polyrank_unlogged_ids";

    private final List<String> ids;

    UnloggedIdsQueryBuilder(List<String> ids) {
        this.ids = List.copyOf(ids);
    }

    UnloggedIdsQueryBuilder(StreamInput in) throws IOException {
        super(in);
        ids = in.readStringList();
    }

    @Override
    protected void doWriteTo(StreamOutput out) throws IOException {
        out.writeStringCollection(ids);
    }

    @Override
    protected void doXContent(XContentBuilder builder, Params params) throws IOException {
        builder.startObject(NAME).field("count", ids.size());
        printBoostAndQueryName(builder);
        builder.endObject();
    }

    static UnloggedIdsQueryBuilder fromXContent(XContentParser parser) {
        throw new ParsingException(parser.getTokenLocation(), "[" + NAME + "] serves polyrank's own searches alone: use [ids]");
    }

    @Override
    protected Query doToQuery(QueryShardContext context) throws IOException {
        return QueryBuilders.idsQuery().addIds(ids.toArray(String[]::new)).toQuery(context);
    }

    @Override
    protected boolean doEquals(UnloggedIdsQueryBuilder other) {
        return ids.equals(other.ids);
    }

    @Override
    protected int doHashCode() {
        return ids.hashCode();
    }

    @Override
    public String getWriteableName() {
        return NAME;
    }
}
