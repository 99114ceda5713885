package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Has the texts of a page that are in another language than the reader's translated by the service, one call a language. */
final class TranslatedPage {
    private static final String STAGE = "translate";
    /** What one call takes; texts behind are left as they are. */
    private static final int MAX_TEXTS = 500;
    private static final int MAX_CHARACTERS = 20_000;
    /** What the service calls a text that it left as it was. */
    private static final String KEPT = "keep";

    /** The place of a text: which hit, and which of its texts. */
    private record Place(int hit, int text) {}

    private record Answer(List<String> texts, List<String> engines) {}

    private final ServicePool services;
    private final Deadline deadline;
    private final Report report;
    private final String reader;

    /** `reader`: the language that the caller reads, BCP 47. */
    TranslatedPage(ServicePool services, Deadline deadline, Report report, String reader) {
        this.services = services;
        this.deadline = deadline;
        this.report = report;
        this.reader = reader.split("-")[0];
    }

    /** Completes when `texts`, whose lists it changes, are as translated as time allowed; never fails. */
    CompletableFuture<Void> translate(List<List<LocalText>> texts) {
        Map<String, List<Place>> foreign = new LinkedHashMap<>();
        for (int i = 0; i < texts.size(); i++) {
            for (int j = 0; j < texts.get(i).size(); j++) {
                LocalText text = texts.get(i).get(j);
                if (text.language() == null || reader.equals(text.language().split("-")[0])) continue;
                if (text.text().length() <= MAX_CHARACTERS) foreign.computeIfAbsent(text.language(), code -> new ArrayList<>()).add(new Place(i, j));
            }
        }
        if (foreign.isEmpty()) return CompletableFuture.completedFuture(null);
        if (deadline.isReached()) {
            report.degraded(STAGE, "no time left before the deadline");
            return CompletableFuture.completedFuture(null);
        }
        long since = System.nanoTime();
        return CompletableFuture.allOf(
            foreign.entrySet().stream().map(entry -> call(entry.getKey(), entry.getValue(), texts)).toArray(CompletableFuture[]::new)
        ).whenComplete((done, error) -> report.took(Report.Stage.TRANSLATE, since));
    }

    private CompletableFuture<Void> call(String source, List<Place> all, List<List<LocalText>> texts) {
        List<Place> places = all.size() > MAX_TEXTS ? all.subList(0, MAX_TEXTS) : all;
        if (places.size() < all.size()) report.degraded(STAGE, "only the first " + MAX_TEXTS + " of " + all.size() + " texts");
        List<String> asked = places.stream().map(place -> texts.get(place.hit()).get(place.text()).text()).toList();
        Map<String, Object> body = Map.of("q", asked, "source", source, "target", reader);
        return deadline.watch(services.call("/translate", body, deadline, answer -> read(answer, asked.size()))).handle((answer, error) -> {
            if (error != null) {
                report.degraded(STAGE, error);
                return null;
            }
            for (int i = 0; i < places.size(); i++) {
                if (KEPT.equals(answer.engines().get(i))) continue;
                List<LocalText> own = texts.get(places.get(i).hit());
                own.set(places.get(i).text(), own.get(places.get(i).text()).in(reader, answer.texts().get(i), answer.engines().get(i)));
            }
            return null;
        });
    }

    private static Answer read(Map<String, Object> answer, int expected) {
        return new Answer(texts("translatedText", answer, expected), texts("engine", answer, expected));
    }

    private static List<String> texts(String key, Map<String, Object> answer, int expected) {
        boolean right = answer.get(key) instanceof List<?> list && list.size() == expected && list.stream().allMatch(String.class::isInstance);
        if (!right) throw new IllegalArgumentException(key + " is not a list of " + expected + " texts");
        return ((List<?>) answer.get(key)).stream().map(String.class::cast).toList();
    }
}
