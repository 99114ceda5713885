package org.polyrank.opensearch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
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
    static final String RERANK_WINDOW = "rerank_window";
    static final String TOP_K = "top_k";
    static final String PROFILE = "profile";
    static final String EXPLAIN = "explain";
    static final String LOCALE = "locale";
    static final String ATTRIBUTES = "attributes";
    static final String WITHOUT = "without";
    static final String TRANSLATE = "translate";
    private static final int MAX_EXPLAINED = 20;
    private static final int MAX_WITHOUT = 50;
    private static final Pattern LANGUAGE = Pattern.compile("[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*");
    private static final List<String> KEYS = List.of(
        QUERY,
        DEADLINE_MS,
        RERANK_WINDOW,
        TOP_K,
        PROFILE,
        EXPLAIN,
        LOCALE,
        ATTRIBUTES,
        WITHOUT,
        TRANSLATE
    );

    private final Map<String, Object> content;

    PolyrankExt(Map<String, Object> content) {
        this.content = content;
    }

    PolyrankExt(StreamInput in) throws IOException {
        content = in.readMap();
    }

    /** Parses and checks the section of a request. */
    static PolyrankExt fromXContent(XContentParser parser) throws IOException {
        Map<String, Object> content = read(parser);
        content.forEach((key, value) -> {
            String problem = switch (key) {
                case QUERY -> value instanceof String ? null : "must be a text";
                case LOCALE -> value instanceof String code && LANGUAGE.matcher(code).matches() ? null : "must be a language, such as de or fr-CA";
                case ATTRIBUTES -> AttributesConfig.Use.NAMES.contains(value) ? null : "must be one of " + AttributesConfig.Use.NAMES;
                case DEADLINE_MS -> wrongInteger(value, PipelineConfig.MAX_DEADLINE_MS);
                case RERANK_WINDOW, TOP_K -> wrongInteger(value, PipelineConfig.MAX_WINDOW);
                case PROFILE -> wrongProfile(value);
                case TRANSLATE -> value instanceof Boolean ? null : "must be true or false";
                case EXPLAIN -> isTexts(value, MAX_EXPLAINED) ? null : "must be a list of at most " + MAX_EXPLAINED + " ids";
                case WITHOUT -> isTexts(value, MAX_WITHOUT) ? null : "must be a list of at most " + MAX_WITHOUT + " texts";
                default -> "is unknown: known keys are " + KEYS;
            };
            if (problem != null) throw new ParsingException(parser.getTokenLocation(), "[ext." + NAME + "." + key + "] " + problem);
        });
        return new PolyrankExt(content);
    }

    /** What is too deep or too long for the parser is the caller's mistake, not the node's. */
    private static Map<String, Object> read(XContentParser parser) throws IOException {
        try {
            return parser.map();
        } catch (IOException | RuntimeException e) {
            if (!e.getClass().getSimpleName().equals("StreamConstraintsException")) throw e; // Jackson's package differs among OpenSearch 3.x
            String reason = e.getMessage().lines().findFirst().orElse("");
            throw new ParsingException(parser.getTokenLocation(), "[ext." + NAME + "] cannot be read: " + reason);
        }
    }

    private static boolean isTexts(Object value, int max) {
        return value instanceof List<?> items && items.size() <= max && items.stream().allMatch(String.class::isInstance);
    }

    private static String wrongInteger(Object value, int max) {
        return value instanceof Integer number && number >= 1 && number <= max ? null : "must be a whole number from 1 to " + max;
    }

    private static String wrongProfile(Object value) {
        try {
            Profile.read(value);
            return null;
        } catch (IllegalArgumentException e) {
            return e.getMessage();
        }
    }

    /** The section of this request, or an empty one. */
    static PolyrankExt of(SearchRequest request) {
        if (request.source() != null) {
            for (SearchExtBuilder ext : request.source().ext()) if (ext instanceof PolyrankExt polyrank) return polyrank;
        }
        return new PolyrankExt(Map.of());
    }

    /** Takes the profile out of the request, so that no slow log, task list or shard sees it. */
    static void forgetProfile(SearchRequest request) {
        if (request.source() == null) return;
        List<SearchExtBuilder> kept = new ArrayList<>();
        for (SearchExtBuilder ext : request.source().ext()) kept.add(ext instanceof PolyrankExt polyrank ? polyrank.without(PROFILE) : ext);
        request.source().ext(kept);
    }

    private PolyrankExt without(String key) {
        Map<String, Object> rest = new HashMap<>(content);
        rest.remove(key);
        return new PolyrankExt(rest);
    }

    /** The query text that this request names, or null. */
    String query() {
        return (String) content.get(QUERY);
    }

    int deadlineMs(int fallback) {
        return content.get(DEADLINE_MS) instanceof Integer ms ? ms : fallback;
    }

    /** How many documents the cross-encoder reads: fewer than the pipeline says, never more. */
    int rerankWindow(int pipelines) {
        return content.get(RERANK_WINDOW) instanceof Integer window ? Math.min(window, pipelines) : pipelines;
    }

    int topK(int fallback) {
        return content.get(TOP_K) instanceof Integer topK ? topK : fallback;
    }

    /** The language that the caller reads, BCP 47, or null. */
    String locale() {
        return (String) content.get(LOCALE);
    }

    /** Whether texts in another language are translated on the way out. */
    boolean translate(boolean fallback) {
        return content.get(TRANSLATE) instanceof Boolean asked ? asked : fallback;
    }

    /** What becomes of attributes: less than the pipeline says, never more. */
    AttributesConfig.Use attributes(AttributesConfig.Use pipelines) {
        if (!(content.get(ATTRIBUTES) instanceof String name)) return pipelines;
        AttributesConfig.Use own = AttributesConfig.Use.named(name);
        return own.compareTo(pipelines) < 0 ? own : pipelines;
    }

    /** Texts of attributes and expansions that this request does without. */
    List<String> without() {
        return content.get(WITHOUT) instanceof List<?> texts ? texts.stream().map(String::valueOf).toList() : List.of();
    }

    /** Ids of the documents whose relevance is to be explained. */
    List<String> explained() {
        return content.get(EXPLAIN) instanceof List<?> ids ? ids.stream().map(String::valueOf).toList() : List.of();
    }

    /** What the request says about the shopper, or null. */
    Profile profile() {
        return content.get(PROFILE) == null ? null : Profile.read(content.get(PROFILE));
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
