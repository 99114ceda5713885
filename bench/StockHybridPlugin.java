package org.polyrank.bench;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.opensearch.action.support.ActionFilter;
import org.opensearch.cluster.metadata.IndexNameExpressionResolver;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.settings.Setting;
import org.opensearch.common.settings.Settings;
import org.opensearch.core.common.io.stream.NamedWriteableRegistry;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.env.Environment;
import org.opensearch.env.NodeEnvironment;
import org.opensearch.neuralsearch.executors.HybridQueryExecutor;
import org.opensearch.neuralsearch.processor.NormalizationProcessor;
import org.opensearch.neuralsearch.processor.NormalizationProcessorWorkflow;
import org.opensearch.neuralsearch.processor.RRFProcessor;
import org.opensearch.neuralsearch.processor.combination.ScoreCombinationFactory;
import org.opensearch.neuralsearch.processor.combination.ScoreCombiner;
import org.opensearch.neuralsearch.processor.factory.NormalizationProcessorFactory;
import org.opensearch.neuralsearch.processor.factory.RRFProcessorFactory;
import org.opensearch.neuralsearch.processor.normalization.ScoreNormalizationFactory;
import org.opensearch.neuralsearch.processor.normalization.ScoreNormalizer;
import org.opensearch.neuralsearch.query.HybridQueryBuilder;
import org.opensearch.neuralsearch.search.HybridQuerySearchRequestFilter;
import org.opensearch.neuralsearch.search.collector.HybridQueryCollectorContextSpecFactory;
import org.opensearch.neuralsearch.search.query.HybridQueryPhaseSearcher;
import org.opensearch.neuralsearch.settings.NeuralSearchSettings;
import org.opensearch.neuralsearch.settings.NeuralSearchSettingsAccessor;
import org.opensearch.neuralsearch.stats.events.EventStatsManager;
import org.opensearch.neuralsearch.util.NeuralSearchClusterUtil;
import org.opensearch.plugins.ActionPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.plugins.SearchPipelinePlugin;
import org.opensearch.plugins.SearchPlugin;
import org.opensearch.repositories.RepositoriesService;
import org.opensearch.script.ScriptService;
import org.opensearch.search.pipeline.Processor;
import org.opensearch.search.pipeline.SearchPhaseResultsProcessor;
import org.opensearch.search.query.QueryCollectorContextSpecFactory;
import org.opensearch.search.query.QueryPhaseSearcher;
import org.opensearch.threadpool.ExecutorBuilder;
import org.opensearch.threadpool.ThreadPool;
import org.opensearch.transport.client.Client;
import org.opensearch.watcher.ResourceWatcherService;

/** Offers neural-search's hybrid query, as its own plugin class registers it, and nothing else of it. See `stock_hybrid.py`. */
public class StockHybridPlugin extends Plugin implements ActionPlugin, SearchPlugin, SearchPipelinePlugin {
    private final ScoreNormalizationFactory normalization = new ScoreNormalizationFactory();
    private final ScoreCombinationFactory combination = new ScoreCombinationFactory();
    private NormalizationProcessorWorkflow workflow;

    @Override
    public Collection<Object> createComponents(
        Client client,
        ClusterService clusterService,
        ThreadPool threadPool,
        ResourceWatcherService watcher,
        ScriptService scripts,
        NamedXContentRegistry xContent,
        Environment environment,
        NodeEnvironment node,
        NamedWriteableRegistry writeables,
        IndexNameExpressionResolver resolver,
        Supplier<RepositoriesService> repositories
    ) {
        NeuralSearchClusterUtil.instance().initialize(clusterService, resolver);
        HybridQueryExecutor.initialize(threadPool);
        workflow = new NormalizationProcessorWorkflow(new ScoreNormalizer(), new ScoreCombiner());
        EventStatsManager.instance().initialize(new NeuralSearchSettingsAccessor(clusterService, environment.settings()));
        return List.of(EventStatsManager.instance());
    }

    @Override
    public List<QuerySpec<?>> getQueries() {
        return List.of(new QuerySpec<>(HybridQueryBuilder.NAME, HybridQueryBuilder::new, HybridQueryBuilder::fromXContent));
    }

    @Override
    public List<ExecutorBuilder<?>> getExecutorBuilders(Settings settings) {
        return List.of(HybridQueryExecutor.getExecutorBuilder(settings));
    }

    @Override
    public Optional<QueryPhaseSearcher> getQueryPhaseSearcher() {
        return Optional.of(new HybridQueryPhaseSearcher());
    }

    @Override
    public Map<String, Processor.Factory<SearchPhaseResultsProcessor>> getSearchPhaseResultsProcessors(Parameters parameters) {
        return Map.of(
            NormalizationProcessor.TYPE,
            new NormalizationProcessorFactory(workflow, normalization, combination),
            RRFProcessor.TYPE,
            new RRFProcessorFactory(workflow, normalization, combination)
        );
    }

    @Override
    public List<Setting<?>> getSettings() {
        return List.of(
            NeuralSearchSettings.RERANKER_MAX_DOC_FIELDS,
            NeuralSearchSettings.NEURAL_STATS_ENABLED,
            NeuralSearchSettings.SEMANTIC_INGEST_BATCH_SIZE,
            NeuralSearchSettings.HYBRID_COLLAPSE_DOCS_PER_GROUP_PER_SUBQUERY,
            NeuralSearchSettings.SPARSE_ALGO_PARAM_INDEX_THREAD_QTY_SETTING,
            NeuralSearchSettings.NEURAL_CIRCUIT_BREAKER_LIMIT,
            NeuralSearchSettings.NEURAL_CIRCUIT_BREAKER_OVERHEAD
        ); // all of them: its own settings class listens to them
    }

    @Override
    public List<QueryCollectorContextSpecFactory> getCollectorContextSpecFactories() {
        return List.of(new HybridQueryCollectorContextSpecFactory());
    }

    @Override
    public List<ActionFilter> getActionFilters() {
        return List.of(new HybridQuerySearchRequestFilter());
    }
}
