package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.opensearch.core.xcontent.NamedXContentRegistry;

/** Reads the list of retrievers of a pipeline body. */
final class RetrieverReader {
    static final double MAX_WEIGHT = 1_000;
    private static final Pattern FIELD = Pattern.compile("[^^]+(\\^\\d+(\\.\\d+)?)?");
    private static final List<String> KINDS = List.of(
        RetrieverConfig.Lexical.NAME,
        RetrieverConfig.Translated.NAME,
        RetrieverConfig.Knn.NAME,
        RetrieverConfig.Text.NAME,
        RetrieverConfig.Expanded.NAME
    );

    private final ConfigReader parent;
    private final int window;
    private final List<String> languages;
    private final NamedXContentRegistry registry;

    RetrieverReader(ConfigReader parent, int window, List<String> languages, NamedXContentRegistry registry) {
        this.parent = parent;
        this.window = window;
        this.languages = languages;
        this.registry = registry;
    }

    /** The retrievers in the order written; throws a configuration error that names the key. */
    List<RetrieverConfig> read(List<?> list) {
        List<RetrieverConfig> retrievers = new ArrayList<>();
        Set<String> keys = new HashSet<>();
        for (int i = 0; i < list.size(); i++) {
            String key = "retrievers[" + i + "]";
            RetrieverConfig retriever = retriever(parent.nested(key, list.get(i)), key);
            if (!keys.add(retriever.key())) throw parent.error(key, "repeats [" + retriever.key() + "]: give one of them a name of its own");
            retrievers.add(retriever);
        }
        if (retrievers.stream().allMatch(r -> r.weight() == 0)) throw parent.error("retrievers", "all have weight 0: give one of them a weight");
        return List.copyOf(retrievers);
    }

    private RetrieverConfig retriever(ConfigReader entry, String key) {
        Map<String, ConfigReader> bodies = new LinkedHashMap<>();
        for (String kind : KINDS) {
            ConfigReader body = entry.object(kind);
            if (body != null) bodies.put(kind, body);
        }
        entry.finish();
        if (bodies.size() != 1) throw parent.error(key, "must hold exactly one of " + String.join(", ", KINDS));
        Map.Entry<String, ConfigReader> only = bodies.entrySet().iterator().next();
        ConfigReader body = only.getValue();
        RetrieverConfig config = switch (only.getKey()) {
            case RetrieverConfig.Lexical.NAME -> lexical(body);
            case RetrieverConfig.Translated.NAME -> translated(body);
            case RetrieverConfig.Text.NAME -> new RetrieverConfig.Text(shared(body, RetrieverConfig.Text.NAME), match(body));
            case RetrieverConfig.Expanded.NAME -> expanded(body);
            default -> knn(body);
        };
        body.finish();
        return config;
    }

    private RetrieverConfig lexical(ConfigReader body) {
        double weight = weight(body);
        int own = body.integer("window", window, 1, window);
        return new RetrieverConfig.Lexical(new RetrieverConfig.Shared(RetrieverConfig.Lexical.NAME, weight, own, null));
    }

    private RetrieverConfig translated(ConfigReader body) {
        if (languages.isEmpty()) throw parent.error("languages", "is missing: name the languages to translate into, such as [\"en\", \"de\"]");
        List<String> own = body.strings("languages");
        for (String language : own) {
            if (!languages.contains(language)) throw body.error("languages", "holds [" + language + "], which is not one of " + languages);
        }
        return new RetrieverConfig.Translated(shared(body, RetrieverConfig.Translated.NAME), match(body), own);
    }

    private RetrieverConfig expanded(ConfigReader body) {
        List<String> kinds = body.strings("kinds");
        for (String kind : kinds) {
            boolean known = RetrieverConfig.Expanded.KINDS.contains(kind);
            if (!known) throw body.error("kinds", "holds [" + kind + "]: write some of " + RetrieverConfig.Expanded.KINDS);
        }
        RetrieverConfig.Shared shared = shared(body, RetrieverConfig.Expanded.NAME);
        return new RetrieverConfig.Expanded(shared, match(body), kinds.isEmpty() ? RetrieverConfig.Expanded.KINDS : kinds);
    }

    private RetrieverConfig knn(ConfigReader body) {
        String field = body.string("field", null);
        if (field == null) throw body.error("field", "is missing: name the vector field, such as embedding");
        RetrieverConfig.Shared shared = shared(body, RetrieverConfig.Knn.NAME + "." + field);
        return new RetrieverConfig.Knn(shared, field, body.integer("k", shared.window(), 1, 10_000));
    }

    private RetrieverConfig.Shared shared(ConfigReader body, String key) {
        return new RetrieverConfig.Shared(
            body.string("name", key),
            weight(body),
            body.integer("window", window, 1, PipelineConfig.MAX_WINDOW),
            body.query("filter", registry)
        );
    }

    private static double weight(ConfigReader body) {
        return body.number("weight", 1.0, 0.0, MAX_WEIGHT);
    }

    private static RetrieverConfig.Match match(ConfigReader body) {
        List<String> fields = body.strings("fields");
        if (fields.isEmpty()) throw body.error("fields", "is missing: write [\"title.{lang}^2\", \"text.{lang}\"]");
        for (String field : fields) {
            if (!FIELD.matcher(field).matches()) throw body.error("fields", "holds [" + field + "]: write a name, or a name and a boost such as title^2");
        }
        String type = body.oneOf("type", "best_fields", List.of("best_fields", "most_fields", "cross_fields"));
        return new RetrieverConfig.Match(fields, type, body.string("minimum_should_match", null));
    }
}
