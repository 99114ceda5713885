package org.polyrank.opensearch;

import java.io.IOException;
import java.util.Map;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.core.common.ParsingException;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.search.SearchExtBuilder;

/** The section `ext.polyrank`, of a request (query text and deadline of this search) and of a response (what happened). */
final class PolyrankExt extends SearchExtBuilder {
    static final String NAME = "polyrank";
    static final String QUERY = "query";
    static final String DEADLINE_MS = "deadline_ms";

    private final Map<String, Object> content;

    PolyrankExt(Map<String, Object> content) {
        this.content = content;
    }

    PolyrankExt(StreamInput in) throws IOException {
        content = in.readMap();
    }

    /** Parses and checks the section of a request. */
    static PolyrankExt fromXContent(XContentParser parser) throws IOException {
        Map<String, Object> content = parser.map();
        content.forEach((key, value) -> {
            String problem = switch (key) {
                case QUERY -> value instanceof String ? null : "must be a text";
                case DEADLINE_MS -> value instanceof Integer ms && ms >= 1 && ms <= PipelineConfig.MAX_DEADLINE_MS
                    ? null
                    : "must be a whole number from 1 to " + PipelineConfig.MAX_DEADLINE_MS;
                default -> "is unknown: known keys are [" + QUERY + ", " + DEADLINE_MS + "]";
            };
            if (problem != null) throw new ParsingException(parser.getTokenLocation(), "[ext." + NAME + "." + key + "] " + problem);
        });
        return new PolyrankExt(content);
    }

    /** The section of this request, or an empty one. */
    static PolyrankExt of(SearchRequest request) {
        if (request.source() != null) {
            for (SearchExtBuilder ext : request.source().ext()) if (ext instanceof PolyrankExt polyrank) return polyrank;
        }
        return new PolyrankExt(Map.of());
    }

    /** The query text that this request names, or null. */
    String query() {
        return (String) content.get(QUERY);
    }

    int deadlineMs(int fallback) {
        return content.get(DEADLINE_MS) instanceof Integer ms ? ms : fallback;
    }

    @Override
    public void writeTo(StreamOutput out) throws IOException {
        out.writeMap(content);
    }

    @Override
    public String getWriteableName() {
        return NAME;
    }

    @Override
    public XContentBuilder toXContent(XContentBuilder builder, Params params) throws IOException {
        return builder.field(NAME, content);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PolyrankExt ext && ext.content.equals(content);
    }

    @Override
    public int hashCode() {
        return content.hashCode();
    }
}
